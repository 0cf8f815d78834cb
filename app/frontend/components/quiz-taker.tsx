"use client";
import { useRouter } from "next/navigation";
import { useEffect, useRef, useState } from "react";
import { ConfirmDialog } from "@/components/confirm-dialog";
import { ProblemNotice } from "@/components/problem-notice";
import { QuestionChoices } from "@/components/question-choices";
import { SubmitButton } from "@/components/submit-button";
import { asProblem, call } from "@/lib/client/api";
import { useAnswers } from "@/lib/client/use-answers";
import type { PlainProblem } from "@/lib/problem";
import type { Queued, QuizFull } from "@/lib/types";
import { useWords } from "@/words/client";

/** The quiz as a form. */
export function QuizTaker({ quiz, userId }: { quiz: QuizFull; userId: string }) {
  const { t } = useWords();
  const router = useRouter();
  const form = useRef<HTMLFormElement>(null);
  const { answers, give, forget, giveEarly } = useAnswers(quiz.id, userId, quiz.questions);
  const [busy, setBusy] = useState(false);
  const [asking, setAsking] = useState(false);
  const [problem, setProblem] = useState<PlainProblem>();
  const total = quiz.questions.length;
  const given = quiz.questions.filter(({ id }) => id in answers).length;

  // What was chosen while the page was still waking up.
  useEffect(() => {
    if (form.current) giveEarly(new FormData(form.current));
    // eslint-disable-next-line react-hooks/exhaustive-deps -- once
  }, []);

  async function handIn() {
    setAsking(false);
    setBusy(true);
    setProblem(undefined);
    try {
      const attempt = await call<Queued>("POST", `quizzes/${quiz.id}/attempts`, { body: { answers } });
      forget();
      router.push(`/quizzes/${quiz.id}/attempts/${attempt.id}`);
    } catch (error) {
      setProblem(asProblem(error));
      setBusy(false);
    }
  }

  return (
    <form
      ref={form}
      className="questions"
      method="post"
      onSubmit={(event) => {
        event.preventDefault();
        if (busy) return;
        if (given < total) setAsking(true);
        else void handIn();
      }}
    >
      <p className="hint">{t("quiz.draft")}</p>
      {quiz.questions.map((question, n) => (
        <QuestionChoices key={question.id} question={question} number={n + 1} total={total} value={answers[question.id]} onGive={give} />
      ))}
      {problem && <ProblemNotice problem={problem} onRetry={() => void handIn()} />}
      <div className="hand-in">
        <div className="bar" aria-hidden="true">
          <span style={{ width: `${(given / Math.max(1, total)) * 100}%` }} />
        </div>
        <div className="row">
          <p className="small" role="status">
            {t("quiz.answered", { n: given, total })}
          </p>
          <SubmitButton busy={busy} label={t("quiz.submit")} busyLabel={t("quiz.busy")} />
        </div>
      </div>
      {asking && (
        <ConfirmDialog
          title={t("quiz.missing.title")}
          confirm={t("quiz.missing.submit")}
          cancel={t("quiz.missing.back")}
          onConfirm={() => void handIn()}
          onClose={() => setAsking(false)}
        >
          <p>{t("quiz.missing.text", { n: total - given })}</p>
        </ConfirmDialog>
      )}
    </form>
  );
}
