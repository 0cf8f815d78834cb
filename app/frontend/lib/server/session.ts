import "server-only";
import { getIronSession, type SessionOptions } from "iron-session";
import { cookies } from "next/headers";
import { SESSION_COOKIE, SESSION_COOKIE_OPTIONS } from "@/lib/session-cookie";
import type { User } from "@/lib/types";
import { setting } from "@/scripts/settings.mjs";

export type Session = { token?: string; user?: User };

const DAY = 86_400;

function options(ttl: number): SessionOptions {
  return {
    password: setting("NEXTAUTH_SECRET"),
    cookieName: SESSION_COOKIE,
    ttl,
    cookieOptions: SESSION_COOKIE_OPTIONS,
  };
}

/** The session in the request's encrypted cookie; empty when there is none, or none that this secret opens. */
export async function readSession(): Promise<Session> {
  const { token, user } = await getIronSession<Session>(await cookies(), options(0));
  return token && user ? { token, user } : {};
}

/** Whether there is a session cookie at all, readable or not. */
export async function hasSessionCookie(): Promise<boolean> {
  return (await cookies()).has(SESSION_COOKIE);
}

/** Begins a session. The cookie outlives the token by a day: who comes back is told that the session ended, and why. */
export async function openSession(token: string, user: User, tokenSeconds: number): Promise<void> {
  const session = await getIronSession<Session>(await cookies(), options(tokenSeconds + DAY));
  session.token = token;
  session.user = { id: user.id, name: user.name, email: user.email, role: user.role };
  await session.save();
}

/** Forgets the session. The backend's own is ended by its logout. */
export async function dropSession(): Promise<void> {
  (await getIronSession<Session>(await cookies(), options(0))).destroy();
}
