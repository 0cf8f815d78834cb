import { refusal } from "@/lib/server/bff-routes";
import { CROSS_ORIGIN, problemResponse } from "@/lib/server/answers";
import { relay } from "@/lib/server/relay";
import { sameOrigin } from "@/lib/server/same-origin";
import { dropSession, readSession } from "@/lib/server/session";

export const dynamic = "force-dynamic";

type Context = { params: Promise<{ path: string[] }> };

/** Passes a page's request on to the backend, with the session's token and nothing else of its cookies. */
async function handle(request: Request, { params }: Context): Promise<Response> {
  const path = (await params).path.join("/");
  if (request.method !== "GET" && !sameOrigin(request.headers)) return problemResponse(403, CROSS_ORIGIN);
  const status = refusal(request.method, path);
  if (status) return problemResponse(status, status === 404 ? "there is nothing here" : "this cannot be done here");
  const { token } = await readSession();
  if (!token) return problemResponse(401, "log in first");
  const answer = await relay(request, `/api/${path}${new URL(request.url).search}`, token);
  if (answer.status === 401) await dropSession();
  return answer;
}

export { handle as DELETE, handle as GET, handle as POST };
