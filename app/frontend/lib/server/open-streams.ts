import "server-only";
import { Problem } from "@/lib/problem";

/** More tabs than people follow at once; each costs the backend one or two questions a second. */
const MOST = 8;
/** Pages ask by themselves meanwhile (use-task.ts). */
const LATER_S = 5;

export type OpenStream = { ended: AbortSignal; close: () => void };

const open = new Map<string, Set<AbortController>>();
let listening = false;
let ending = false;

/** A deploy waits for the old server's connections, and streams would hold it up for minutes. Next's own handler does the rest. */
function endAll(): void {
  ending = true;
  for (const streams of open.values()) for (const stream of streams) stream.abort();
}

/** A place among the open streams of this process, until it is closed; a Problem when the person has enough, or the server is ending. */
export function openStream(who: string): OpenStream | Problem {
  if (!listening) process.once("SIGTERM", endAll);
  listening = true;
  if (ending) return new Problem(503, { detail: "the server is being replaced", retryAfter: LATER_S });
  const streams = open.get(who) ?? new Set();
  if (streams.size >= MOST) return new Problem(429, { detail: "too many tasks are being followed at once", retryAfter: LATER_S });
  const mine = new AbortController();
  open.set(who, streams.add(mine));
  const close = () => {
    streams.delete(mine);
    if (!streams.size && open.get(who) === streams) open.delete(who);
  };
  return { ended: mine.signal, close };
}
