import { Problem } from "@/lib/problem";
import { backend } from "@/lib/server/backend";
import { handleChange, jsonObject } from "@/lib/server/handle";
import { logIn } from "@/lib/server/log-in";
import { dropSession, readSession } from "@/lib/server/session";

const headers = { "cache-control": "no-store" };

/** Who am I; nobody is an answer as well. */
export async function GET(): Promise<Response> {
  const { user } = await readSession();
  return Response.json({ user: user ?? null }, { headers });
}

/** Log in. */
export async function POST(request: Request): Promise<Response> {
  return handleChange(request, async () => {
    const { email, password } = await jsonObject(request);
    return Response.json({ user: await logIn(request.headers, email, password) }, { headers });
  });
}

/** Log out: here always, at the backend when it answers. There the token ends by itself in some hours. */
export async function DELETE(request: Request): Promise<Response> {
  return handleChange(request, async () => {
    const { token } = await readSession();
    await dropSession();
    if (token) {
      await backend("/api/auth/logout", { method: "POST", token, incoming: request.headers }).catch((error: unknown) => {
        if (!(error instanceof Problem)) throw error;
      });
    }
    return new Response(null, { status: 204, headers });
  });
}
