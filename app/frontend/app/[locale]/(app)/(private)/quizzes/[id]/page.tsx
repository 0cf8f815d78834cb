import type { Metadata } from "next";
import Link from "next/link";
import { AttemptList } from "@/components/attempt-list";
import { DeleteQuiz } from "@/components/delete-quiz";
import { PageTrouble } from "@/components/page-trouble";
import { QuizPending } from "@/components/quiz-pending";
import { QuizTaker } from "@/components/quiz-taker";
import { ShareBox } from "@/components/share-box";
import { explain } from "@/lib/describe";
import { load, requireUser } from "@/lib/server/load";
import { localeOf } from "@/lib/server/page";
import type { Attempt, Page, QuizFull } from "@/lib/types";
import { words } from "@/words/server";

type Props = { params: Promise<{ locale: string; id: string }> };

export async function generateMetadata({ params }: Props): Promise<Metadata> {
  return { title: words(await localeOf(params))("quizzes.title") };
}

export default async function QuizPage({ params }: Props) {
  const t = words(await localeOf(params));
  const { id } = await params;
  const { user } = await requireUser();
  const path = `/api/quizzes/${encodeURIComponent(id)}`;
  const [{ data: quiz, problem }, attempts] = await Promise.all([
    load<QuizFull>(path),
    load<Page<Attempt>>(`${path}/attempts?per_page=10`),
  ]);
  if (problem) {
    return (
      <div className="page">
        <h1>{t("quizzes.title")}</h1>
        <PageTrouble problem={problem} />
      </div>
    );
  }
  const told = quiz.message && (explain(quiz.message, t) ?? quiz.message);
  return (
    <div className="page">
      <div className="page-head">
        <p className="small">
          <Link href="/quizzes">{t("quiz.back")}</Link>
        </p>
        <h1>{quiz.title}</h1>
        <p className="facts">
          {quiz.status === "ready" && <span>{t("quizzes.wanted", { n: quiz.questions.length })}</span>}
          {quiz.language === "fr" && <span>{t("quiz.language.fr")}</span>}
          {quiz.language === "en" && <span>{t("quiz.language.en")}</span>}
          {!quiz.mine && <span>{t("quizzes.joined")}</span>}
        </p>
        {quiz.status === "ready" && told && <p className="soft">{told}</p>}
      </div>
      {quiz.status === "pending" && <QuizPending taskId={quiz.task_id} />}
      {quiz.status === "failed" && (
        <div className="notice bad">
          <p className="label">{t("quiz.failed")}</p>
          <p>{told || t("known.failed")}</p>
          {quiz.mine && <Link href={`/documents/${quiz.document_id}`}>{t("quiz.failed.again")}</Link>}
        </div>
      )}
      <div className="split">
        {quiz.status === "ready" ? <QuizTaker quiz={quiz} userId={user.id} /> : <div />}
        <aside className="stack">
          {quiz.mine && quiz.status === "ready" && <ShareBox quizId={quiz.id} code={quiz.share_code} />}
          {attempts.data && attempts.data.items.length > 0 && <AttemptList quizId={quiz.id} attempts={attempts.data.items} />}
          {quiz.mine && <DeleteQuiz id={quiz.id} title={quiz.title} />}
        </aside>
      </div>
    </div>
  );
}
