const ORIGIN = "http://aiko.test";

type More = { body?: unknown; headers?: Record<string, string> };

/** A request as the browser sends it from a page of ours, unless the headers say otherwise. */
export function ask(method: string, path: string, { body, headers = {} }: More = {}): Request {
  return new Request(ORIGIN + path, {
    method,
    headers: { host: "aiko.test", origin: ORIGIN, "content-type": "application/json", ...headers },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
}

export const CROSS = { origin: "https://evil.example", "sec-fetch-site": "cross-site" };
