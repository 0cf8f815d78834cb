import type { Metadata } from "next";
import Link from "next/link";
import { AttemptPending } from "@/components/attempt-pending";
import { AttemptResult } from "@/components/attempt-result";
import { PageTrouble } from "@/components/page-trouble";
import { load } from "@/lib/server/load";
import { localeOf } from "@/lib/server/page";
import type { Attempt, QuizFull } from "@/lib/types";
import { words } from "@/words/server";

type Props = { params: Promise<{ locale: string; id: string; attempt: string }> };

export async function generateMetadata({ params }: Props): Promise<Metadata> {
  return { title: words(await localeOf(params))("attempt.title") };
}

export default async function AttemptPage({ params }: Props) {
  const locale = await localeOf(params);
  const t = words(locale);
  const { id, attempt: attemptId } = await params;
  const path = `/api/quizzes/${encodeURIComponent(id)}`;
  const [quiz, attempt] = await Promise.all([
    load<QuizFull>(path),
    load<Attempt>(`${path}/attempts/${encodeURIComponent(attemptId)}`),
  ]);
  const problem = quiz.problem ?? attempt.problem;
  return (
    <div className="page reading">
      <div className="page-head">
        {quiz.data && (
          <p className="small">
            <Link href={`/quizzes/${quiz.data.id}`}>{quiz.data.title}</Link>
          </p>
        )}
        <h1>{t("attempt.title")}</h1>
      </div>
      {problem && <PageTrouble problem={problem} />}
      {attempt.data?.status === "pending" && <AttemptPending taskId={attempt.data.task_id} />}
      {attempt.data?.status === "failed" && (
        <div className="notice bad">
          <p>{t("attempt.failed")}</p>
        </div>
      )}
      {quiz.data && attempt.data?.status === "corrected" && <AttemptResult quiz={quiz.data} attempt={attempt.data} locale={locale} t={t} />}
      {quiz.data && attempt.data?.status !== "pending" && (
        <p>
          <Link className="button quiet" href={`/quizzes/${quiz.data.id}`}>
            {t("attempt.again")}
          </Link>
        </p>
      )}
    </div>
  );
}
