import { parseProblem, Problem } from "@/lib/problem";

type Options = { body?: unknown; signal?: AbortSignal };

/** Leaves for the login page, which leads back here. Drafts are in the browser's storage by then. */
export function sessionEnded(): void {
  const here = window.location.pathname + window.location.search;
  window.location.assign(`/login?ended=1&next=${encodeURIComponent(here)}`);
}

/** Asks our own server. Throws Problem; an aborted request throws the browser's AbortError. */
export async function api<T>(method: string, path: string, { body, signal }: Options = {}): Promise<T> {
  let response: Response;
  let text: string;
  try {
    response = await fetch(path, {
      method,
      signal,
      cache: "no-store",
      headers: body === undefined ? { accept: "application/json" } : { accept: "application/json", "content-type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    text = await response.text();
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Problem(0);
  }
  if (!response.ok) throw parseProblem(response.status, text, (name) => response.headers.get(name));
  return (text ? JSON.parse(text) : undefined) as T;
}

/** Like api(), for pages of somebody who is logged in: when the session is over it leaves for the login page. */
export async function call<T>(method: string, path: string, options: Options = {}): Promise<T> {
  try {
    return await api<T>(method, `/api/bff/${path}`, options);
  } catch (error) {
    if (error instanceof Problem && error.status === 401) sessionEnded();
    throw error;
  }
}

/** Any error as a problem: what is no Problem is one of ours, and unexpected. */
export function asProblem(error: unknown): Problem {
  return error instanceof Problem ? error : new Problem(500);
}
