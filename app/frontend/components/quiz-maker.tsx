"use client";
import Link from "next/link";
import { useRef, useState } from "react";
import { Field } from "@/components/field";
import { Notice } from "@/components/notice";
import { ProblemNotice } from "@/components/problem-notice";
import { SubmitButton } from "@/components/submit-button";
import { TaskProgress } from "@/components/task-progress";
import { call } from "@/lib/client/api";
import { useFormDraft } from "@/lib/client/use-form-draft";
import { useSubmit } from "@/lib/client/use-submit";
import { explain } from "@/lib/describe";
import type { Queued, Task } from "@/lib/types";
import { errorsOf } from "@/lib/validate";
import { useWords } from "@/words/client";

const MOST = 50;
const USUAL = 10;

/** Asks for a quiz of a document and shows how it comes about. */
export function QuizMaker({ documentId }: { documentId: string }) {
  const { t } = useWords();
  const [queued, setQueued] = useState<Queued>();
  const [outcome, setOutcome] = useState<Task>();
  return (
    <section className="card stack" aria-labelledby="maker">
      <h2 id="maker">{t("maker.title")}</h2>
      {!queued && <MakerForm documentId={documentId} onQueued={setQueued} />}
      {queued && !outcome && <TaskProgress taskId={queued.task_id} working="task.quiz" onDone={setOutcome} />}
      {queued && outcome && (
        <>
          {outcome.state === "SUCCESS" ? (
            <Notice tone="good">
              <p>{t("task.done.quiz")}</p>
              <Link className="button" href={`/quizzes/${queued.id}`}>
                {t("quiz.open")}
              </Link>
            </Notice>
          ) : (
            <Notice tone="bad">
              <p>{t("task.failed")}</p>
              <p>{explain(outcome.error ?? "", t) ?? outcome.error ?? t("known.failed")}</p>
            </Notice>
          )}
          <button
            type="button"
            className="link"
            onClick={() => {
              setQueued(undefined);
              setOutcome(undefined);
            }}
          >
            {t("maker.again")}
          </button>
        </>
      )}
    </section>
  );
}

function MakerForm({ documentId, onQueued }: { documentId: string; onQueued: (queued: Queued) => void }) {
  const { t } = useWords();
  const form = useRef<HTMLFormElement>(null);
  const draft = useFormDraft(form, `maker:${documentId}`, ["questions"]);
  const { busy, errors, problem, onSubmit } = useSubmit(
    form,
    (data) => {
      const n = Number(data.get("questions"));
      return errorsOf({ questions: Number.isInteger(n) && n >= 1 && n <= MOST ? undefined : "maker.number.bad" });
    },
    async (data) => {
      const body = { document_id: documentId, questions: Number(data.get("questions")) };
      const queued = await call<Queued>("POST", "quizzes", { body });
      draft.forget();
      onQueued(queued);
    },
  );
  return (
    <form ref={form} className="stack" method="post" noValidate onSubmit={onSubmit}>
      {problem && <ProblemNotice problem={problem} />}
      <Field
        label={t("maker.number")}
        name="questions"
        type="number"
        inputMode="numeric"
        className="short"
        min={1}
        max={MOST}
        defaultValue={USUAL}
        hint={t("maker.number.hint")}
        error={errors.questions && t(errors.questions)}
      />
      <SubmitButton busy={busy} label={t("maker.submit")} busyLabel={t("maker.busy")} />
    </form>
  );
}
