import "server-only";
import { setTimeout as pause } from "node:timers/promises";
import { plain, Problem } from "@/lib/problem";
import { backend } from "@/lib/server/backend";
import type { OpenStream } from "@/lib/server/open-streams";
import type { Task } from "@/lib/types";

const HEARTBEAT_MS = 10_000;
/** A page that is still there then opens the next stream by itself. */
const LONGEST_MS = 10 * 60_000;
const FINAL: readonly string[] = ["SUCCESS", "FAILURE", "REVOKED"];

/** Most tasks are done within seconds; those that are not can wait a second longer. */
export function pollMs(elapsed: number): number {
  return elapsed < 10_000 ? 500 : 1000;
}

/** Polls the backend and writes each change as an event `task`; a problem is an event `problem` and ends the stream. */
export function taskEvents(
  id: string,
  token: string,
  request: Request,
  stream: OpenStream,
  pauseMs = pollMs,
): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  const left = new AbortController();
  const gone = AbortSignal.any([request.signal, left.signal, stream.ended]);

  return new ReadableStream<Uint8Array>({
    async start(controller) {
      const write = (text: string) => controller.enqueue(encoder.encode(text));
      const event = (name: string, data: unknown) => write(`event: ${name}\ndata: ${JSON.stringify(data)}\n\n`);
      try {
        write("retry: 1000\n\n");
        await follow(id, token, request.headers, gone, pauseMs, event, () => write(": still here\n\n"));
      } catch (error) {
        if (!gone.aborted) {
          if (!(error instanceof Problem)) throw error;
          event("problem", plain(error));
        }
      } finally {
        stream.close();
      }
      // Who left has closed it already.
      if (!left.signal.aborted) controller.close();
    },
    cancel: () => left.abort(),
  });
}

async function follow(
  id: string,
  token: string,
  incoming: Headers,
  signal: AbortSignal,
  pauseMs: (elapsed: number) => number,
  event: (name: string, data: unknown) => void,
  beat: () => void,
): Promise<void> {
  const begun = Date.now();
  let told = "";
  let toldAt = 0;
  while (Date.now() - begun < LONGEST_MS) {
    const task = await backend<Task>(`/api/tasks/${id}`, { token, incoming, signal });
    const now = JSON.stringify(task);
    if (now !== told) {
      event("task", task);
      [told, toldAt] = [now, Date.now()];
    } else if (Date.now() - toldAt > HEARTBEAT_MS) {
      beat();
      toldAt = Date.now();
    }
    if (FINAL.includes(task.state)) return;
    await pause(pauseMs(Date.now() - begun), undefined, { signal });
  }
}
