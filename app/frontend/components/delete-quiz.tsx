"use client";
import { useRouter } from "next/navigation";
import { useState } from "react";
import { ConfirmDialog } from "@/components/confirm-dialog";
import { ProblemNotice } from "@/components/problem-notice";
import { asProblem, call } from "@/lib/client/api";
import type { PlainProblem } from "@/lib/problem";
import { useWords } from "@/words/client";

export function DeleteQuiz({ id, title }: { id: string; title: string }) {
  const { t } = useWords();
  const router = useRouter();
  const [asking, setAsking] = useState(false);
  const [problem, setProblem] = useState<PlainProblem>();

  async function remove() {
    setAsking(false);
    setProblem(undefined);
    try {
      await call("DELETE", `quizzes/${id}`);
    } catch (error) {
      const told = asProblem(error);
      if (told.status !== 404) return setProblem(told);
    }
    router.replace("/quizzes");
    router.refresh();
  }

  return (
    <>
      {problem && <ProblemNotice problem={problem} onRetry={() => void remove()} />}
      <p>
        <button type="button" className="link bad" onClick={() => setAsking(true)}>
          {t("quiz.delete")}
        </button>
      </p>
      {asking && (
        <ConfirmDialog
          danger
          title={t("quiz.delete.title")}
          confirm={t("quiz.delete")}
          cancel={t("dialog.cancel")}
          onConfirm={() => void remove()}
          onClose={() => setAsking(false)}
        >
          <p>{t("quiz.delete.text", { title })}</p>
        </ConfirmDialog>
      )}
    </>
  );
}
