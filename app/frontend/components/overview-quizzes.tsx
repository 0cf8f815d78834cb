import Link from "next/link";
import { When } from "@/components/when";
import { percent } from "@/lib/format";
import type { Locale } from "@/lib/locale";
import type { Overview } from "@/lib/types";
import type { Translate } from "@/words";

export function OverviewQuizzes({ quizzes, locale, t }: { quizzes: Overview["by_quiz"]; locale: Locale; t: Translate }) {
  const number = new Intl.NumberFormat(locale);
  return (
    <section className="stack" aria-labelledby="by-quiz">
      <h2 id="by-quiz">{t("overview.byQuiz")}</h2>
      {quizzes.length === 0 ? (
        <p className="soft">{t("overview.byQuiz.none")}</p>
      ) : (
        <table className="cards" aria-labelledby="by-quiz">
          <thead>
            <tr>
              <th scope="col">{t("overview.col.quiz")}</th>
              <th scope="col" className="figure">
                {t("overview.col.attempts")}
              </th>
              <th scope="col" className="figure">
                {t("overview.col.students")}
              </th>
              <th scope="col" className="figure">
                {t("overview.col.average")}
              </th>
              <th scope="col">{t("overview.col.last")}</th>
            </tr>
          </thead>
          <tbody>
            {quizzes.map((quiz) => (
              <tr key={quiz.quiz_id}>
                <th scope="row">
                  <Link href={`/quizzes/${quiz.quiz_id}`} prefetch={false}>
                    {quiz.title}
                  </Link>
                </th>
                <td className="figure" data-label={t("overview.col.attempts")}>
                  {number.format(quiz.attempts)}
                </td>
                <td className="figure" data-label={t("overview.col.students")}>
                  {number.format(quiz.students)}
                </td>
                <td className="figure" data-label={t("overview.col.average")}>
                  {quiz.average_score === null ? "–" : percent(quiz.average_score, locale)}
                </td>
                <td data-label={t("overview.col.last")}>{quiz.last_attempt_at ? <When iso={quiz.last_attempt_at} /> : "–"}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </section>
  );
}
