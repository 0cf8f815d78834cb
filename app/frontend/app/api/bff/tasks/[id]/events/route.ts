import { Problem } from "@/lib/problem";
import { passOn, problemResponse } from "@/lib/server/answers";
import { openStream } from "@/lib/server/open-streams";
import { readSession } from "@/lib/server/session";
import { taskEvents } from "@/lib/server/task-events";

export const dynamic = "force-dynamic";

type Context = { params: Promise<{ id: string }> };

/** The progress of a task as Server-Sent Events, until it is over or the page has gone. */
export async function GET(request: Request, { params }: Context): Promise<Response> {
  const { id } = await params;
  if (!/^[0-9a-f-]{36}$/i.test(id)) return problemResponse(404, "there is no such task of yours");
  const { token, user } = await readSession();
  if (!token || !user) return problemResponse(401, "log in first");
  const stream = openStream(user.id);
  if (stream instanceof Problem) return passOn(stream);
  return new Response(taskEvents(id, token, request, stream), {
    headers: { "content-type": "text/event-stream", "cache-control": "no-cache, no-transform", "x-accel-buffering": "no" },
  });
}
