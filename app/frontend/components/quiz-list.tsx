import Link from "next/link";
import { When } from "@/components/when";
import type { Quiz } from "@/lib/types";
import type { Translate } from "@/words";

const TONE = { pending: "", ready: "good", failed: "bad" } as const;

export function QuizList({ quizzes, student, t }: { quizzes: Quiz[]; student: boolean; t: Translate }) {
  if (!quizzes.length) {
    return (
      <div className="empty">
        <h2>{t("quizzes.none.title")}</h2>
        <p className="soft">{t(student ? "quizzes.none.student" : "quizzes.none.teacher")}</p>
        {!student && <Link href="/documents">{t("quizzes.toDocuments")}</Link>}
      </div>
    );
  }
  return (
    <ul className="list">
      {quizzes.map((quiz) => (
        <li key={quiz.id}>
          <div className="stack tight">
            <p className="name">
              <Link href={`/quizzes/${quiz.id}`} prefetch={false}>
                {quiz.title}
              </Link>
            </p>
            <p className="facts">
              <span>{t("quizzes.wanted", { n: quiz.wanted })}</span>
              {!quiz.mine && <span>{t("quizzes.joined")}</span>}
              {quiz.mine && quiz.share_code && <span>{t("quizzes.shared")}</span>}
              <When iso={quiz.created_at} />
            </p>
          </div>
          <span className={`tag ${TONE[quiz.status]}`.trim()}>{t(`quiz.status.${quiz.status}`)}</span>
        </li>
      ))}
    </ul>
  );
}
