import type { Problem } from "@/lib/problem";

const TITLES: Record<number, string> = {
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  413: "Content Too Large",
  429: "Too Many Requests",
  502: "Bad Gateway",
  503: "Service Unavailable",
};

/** A problem document of our own, shaped like the backend's. */
export function problemResponse(status: number, detail: string, headers: HeadersInit = {}): Response {
  const body = { type: "about:blank", title: TITLES[status] ?? "Error", status, detail };
  return new Response(JSON.stringify(body), {
    status,
    headers: { ...Object.fromEntries(new Headers(headers)), "content-type": "application/problem+json", "cache-control": "no-store" },
  });
}

/** Hands a problem that the backend told on to the browser. */
export function passOn(problem: Problem): Response {
  const { status, detail, fields, retryAfter, requestId } = problem;
  const headers = new Headers({ "content-type": "application/problem+json", "cache-control": "no-store" });
  if (retryAfter) headers.set("retry-after", String(retryAfter));
  if (requestId) headers.set("x-request-id", requestId);
  return new Response(JSON.stringify({ type: "about:blank", title: TITLES[status] ?? "Error", status, detail, errors: fields }), {
    status,
    headers,
  });
}

export const CROSS_ORIGIN = "this request does not come from a page of this site";
