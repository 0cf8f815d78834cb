import "server-only";
import { randomUUID } from "node:crypto";
import { parseProblem, Problem } from "@/lib/problem";
import { setting } from "@/scripts/settings.mjs";

/** Longer than the backend takes for anything but an upload. */
const PATIENCE_MS = 15_000;

export function backendUrl(path: string): string {
  return setting("BACKEND_URL").replace(/\/+$/, "") + path;
}

/** What every request to the backend carries: who asks, from where, and under which id it stands in the logs. */
export function forwarded(incoming: Headers, token?: string): Record<string, string> {
  const kept: Record<string, string> = { "x-request-id": incoming.get("x-request-id") ?? randomUUID() };
  for (const name of ["x-forwarded-for", "x-forwarded-proto", "accept-language"]) {
    const value = incoming.get(name);
    if (value) kept[name] = value;
  }
  if (token) kept.authorization = `Bearer ${token}`;
  return kept;
}

type Call = { method?: string; token?: string; incoming: Headers; json?: unknown; signal?: AbortSignal };

/** Asks the backend. Throws Problem: 502 when it does not answer, otherwise the status it answered with. */
export async function backend<T>(path: string, { method = "GET", token, incoming, json, signal }: Call): Promise<T> {
  const headers = forwarded(incoming, token);
  const requestId = headers["x-request-id"];
  const timeout = AbortSignal.timeout(PATIENCE_MS);
  let response: Response;
  let text: string;
  try {
    response = await fetch(backendUrl(path), {
      method,
      headers: json === undefined ? headers : { ...headers, "content-type": "application/json" },
      body: json === undefined ? undefined : JSON.stringify(json),
      cache: "no-store",
      redirect: "manual",
      signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
    });
    text = await response.text();
  } catch (error) {
    if (signal?.aborted) throw error;
    console.error(`backend: ${method} ${path} (request ${requestId}) got no answer: ${reason(error)}`);
    throw new Problem(502, { detail: "the application's server does not answer; try again in a moment", requestId });
  }
  if (!response.ok) throw parseProblem(response.status, text, (name) => response.headers.get(name) ?? (name === "x-request-id" ? (requestId ?? null) : null));
  return (text ? JSON.parse(text) : undefined) as T;
}

/** fetch() hides why it failed in `cause`. */
export function reason(error: unknown): string {
  const { cause, message } = error as { cause?: { code?: string; message?: string }; message?: string };
  return cause?.code ?? cause?.message ?? message ?? String(error);
}
