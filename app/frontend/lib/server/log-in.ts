import "server-only";
import { backend } from "@/lib/server/backend";
import { openSession } from "@/lib/server/session";
import type { User } from "@/lib/types";

type Token = { access_token: string; expires_in: number; user: User };

/** Logs in at the backend and keeps its token in the session cookie; the browser never sees the token. */
export async function logIn(incoming: Headers, email: unknown, password: unknown): Promise<User> {
  const json = { email, password };
  const { access_token, expires_in, user } = await backend<Token>("/api/auth/login", { method: "POST", incoming, json });
  await openSession(access_token, user, expires_in);
  return user;
}
