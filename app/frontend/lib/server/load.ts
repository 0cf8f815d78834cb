import "server-only";
import { headers } from "next/headers";
import { forbidden, notFound, redirect } from "next/navigation";
import { PATH_HEADER } from "@/lib/gate";
import { plain, Problem, type PlainProblem } from "@/lib/problem";
import { backend } from "@/lib/server/backend";
import { hasSessionCookie, readSession } from "@/lib/server/session";
import type { User } from "@/lib/types";

export type Loaded<T> = { data: T; problem?: undefined } | { data?: undefined; problem: PlainProblem };

/** Sends the person to log in and back to this page. The login page says why they are there. */
async function toLogin(): Promise<never> {
  const page = (await headers()).get(PATH_HEADER) ?? "/";
  const why = (await hasSessionCookie()) ? "ended=1&" : "";
  redirect(`/login?${why}next=${encodeURIComponent(page)}`);
}

/** The person whose page this is. */
export async function requireUser(): Promise<{ token: string; user: User }> {
  const { token, user } = await readSession();
  if (!token || !user) return toLogin();
  return { token, user };
}

/** Data of the backend for a page. What the person can act on comes back as a problem; 401, 403 and 404 have pages. */
export async function load<T>(path: string): Promise<Loaded<T>> {
  const { token } = await requireUser();
  try {
    return { data: await backend<T>(path, { token, incoming: await headers() }) };
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    if (error.status === 401) return toLogin();
    if (error.status === 403) forbidden();
    if (error.status === 404) notFound();
    return { problem: plain(error) };
  }
}
