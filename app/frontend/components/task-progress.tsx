"use client";
import { ProblemNotice } from "@/components/problem-notice";
import { ProgressBar } from "@/components/progress-bar";
import { useTask } from "@/lib/client/use-task";
import { percent } from "@/lib/format";
import type { Task } from "@/lib/types";
import { useWords } from "@/words/client";
import type { Key, Translate } from "@/words";

type Props = { taskId: string; working: "task.quiz" | "task.attempt"; onDone: (task: Task) => void };

function label(task: Task | undefined, away: boolean, working: Key, t: Translate, shown: string): string {
  if (away) return t("task.away");
  if (task?.state === "RETRY") return t("task.retry");
  if (!task || task.state === "PENDING") return t("task.waiting");
  return t(working, { percent: shown });
}

/** Background work, live. */
export function TaskProgress({ taskId, working, onDone }: Props) {
  const { t, locale } = useWords();
  const { task, away, problem } = useTask(taskId, onDone);
  if (problem) return <ProblemNotice problem={problem} />;
  const part = task?.progress ?? 0;
  return (
    <div className="stack tight">
      <ProgressBar part={part} label={label(task, away, working, t, percent(part, locale))} />
      <p className="hint">{t("task.leave")}</p>
    </div>
  );
}
