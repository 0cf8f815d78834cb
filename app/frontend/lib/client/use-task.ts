import { useEffect, useRef, useState } from "react";
import { asProblem, call, sessionEnded } from "@/lib/client/api";
import type { PlainProblem } from "@/lib/problem";
import type { Task } from "@/lib/types";

const FINAL: readonly string[] = ["SUCCESS", "FAILURE", "REVOKED"];
const POLL_MS = 2000;

export type Following = { task?: Task; away: boolean; problem?: PlainProblem };

/**
 * Follows a task: by the server's events, and where those do not come through (a proxy that holds them back, a backend
 * that is away for a while) by asking every two seconds.
 */
export function useTask(id: string, onDone?: (task: Task) => void): Following {
  const [state, setState] = useState<Following>({ away: false });
  const done = useRef(onDone);
  useEffect(() => {
    done.current = onDone;
  });

  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    let stopped = false;
    const events = new EventSource(`/api/bff/tasks/${id}/events`);
    const stop = () => {
      stopped = true;
      events.close();
      clearTimeout(timer);
    };
    const take = (task: Task) => {
      if (stopped) return;
      setState({ task, away: false });
      if (!FINAL.includes(task.state)) return;
      stop();
      done.current?.(task);
    };
    const refused = (problem: PlainProblem) => {
      if (stopped) return;
      if (problem.status === 401) sessionEnded();
      const final = [401, 403, 404].includes(problem.status);
      setState(({ task }) => ({ task, away: !final, problem: final ? problem : undefined }));
      if (final) stop();
      else poll();
    };
    const poll = () => {
      events.close();
      clearTimeout(timer);
      timer = setTimeout(() => {
        void call<Task>("GET", `tasks/${id}`).then(
          (task) => {
            take(task);
            if (!stopped) poll();
          },
          (error: unknown) => refused(asProblem(error)),
        );
      }, POLL_MS);
    };
    events.addEventListener("task", (event) => take(JSON.parse(event.data as string) as Task));
    events.addEventListener("problem", (event) => refused(JSON.parse((event as MessageEvent<string>).data) as PlainProblem));
    events.addEventListener("error", () => {
      if (!stopped) poll();
    });
    return stop;
  }, [id]);
  return state;
}
