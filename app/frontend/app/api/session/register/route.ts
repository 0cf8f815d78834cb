import { backend } from "@/lib/server/backend";
import { handleChange, jsonObject } from "@/lib/server/handle";
import { logIn } from "@/lib/server/log-in";

/** Sign up and log in. */
export async function POST(request: Request): Promise<Response> {
  return handleChange(request, async () => {
    const { email, password, name, role } = await jsonObject(request);
    const incoming = request.headers;
    await backend("/api/auth/register", { method: "POST", incoming, json: { email, password, name, role } });
    const user = await logIn(incoming, email, password);
    return Response.json({ user }, { status: 201, headers: { "cache-control": "no-store" } });
  });
}
