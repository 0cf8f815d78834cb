import "server-only";
import { Problem } from "@/lib/problem";
import { CROSS_ORIGIN, passOn, problemResponse } from "@/lib/server/answers";
import { sameOrigin } from "@/lib/server/same-origin";

/** Runs a handler that changes something: only for pages of this site, and with its problems told as problem documents. */
export async function handleChange(request: Request, work: () => Promise<Response>): Promise<Response> {
  if (!sameOrigin(request.headers)) return problemResponse(403, CROSS_ORIGIN);
  try {
    return await work();
  } catch (error) {
    if (error instanceof Problem) return passOn(error);
    throw error;
  }
}

/** The JSON object in a request's body. Throws Problem 400. */
export async function jsonObject(request: Request): Promise<Record<string, unknown>> {
  const body: unknown = await request.json().catch(() => undefined);
  if (typeof body !== "object" || body === null) throw new Problem(400, { detail: "expected a JSON object" });
  return body as Record<string, unknown>;
}
