"use client";
import { useRouter } from "next/navigation";
import { TaskProgress } from "@/components/task-progress";
import { useWords } from "@/words/client";

/** Answers that are being corrected; the page is made anew once they are. */
export function AttemptPending({ taskId }: { taskId: string }) {
  const { t } = useWords();
  const router = useRouter();
  return (
    <section className="card stack">
      <p>{t("attempt.waiting")}</p>
      <TaskProgress taskId={taskId} working="task.attempt" onDone={() => router.refresh()} />
    </section>
  );
}
