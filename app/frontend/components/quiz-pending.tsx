"use client";
import { useRouter } from "next/navigation";
import { TaskProgress } from "@/components/task-progress";
import { useWords } from "@/words/client";

/** A quiz in the making; the page is made anew once it is done. */
export function QuizPending({ taskId }: { taskId: string }) {
  const { t } = useWords();
  const router = useRouter();
  return (
    <section className="card stack">
      <p>{t("quiz.pending")}</p>
      <TaskProgress taskId={taskId} working="task.quiz" onDone={() => router.refresh()} />
    </section>
  );
}
