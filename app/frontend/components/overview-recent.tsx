import Link from "next/link";
import { When } from "@/components/when";
import { percent } from "@/lib/format";
import type { Locale } from "@/lib/locale";
import type { Overview } from "@/lib/types";
import type { Translate } from "@/words";

export function OverviewRecent({ recent, locale, t }: { recent: Overview["recent"]; locale: Locale; t: Translate }) {
  return (
    <section className="stack" aria-labelledby="recent">
      <h2 id="recent">{t("overview.recent")}</h2>
      {recent.length === 0 ? (
        <p className="soft">{t("overview.recent.none")}</p>
      ) : (
        <table className="cards" aria-labelledby="recent">
          <thead>
            <tr>
              <th scope="col">{t("overview.col.student")}</th>
              <th scope="col">{t("overview.col.quiz")}</th>
              <th scope="col" className="figure">
                {t("overview.col.score")}
              </th>
              <th scope="col">{t("overview.col.when")}</th>
            </tr>
          </thead>
          <tbody>
            {recent.map((attempt) => (
              <tr key={`${attempt.quiz_id} ${attempt.student} ${attempt.created_at}`}>
                <th scope="row">{attempt.student}</th>
                <td data-label={t("overview.col.quiz")}>
                  <Link href={`/quizzes/${attempt.quiz_id}`} prefetch={false}>
                    {attempt.quiz_title}
                  </Link>
                </td>
                <td className="figure" data-label={t("overview.col.score")}>
                  {attempt.score === null
                    ? t(attempt.status === "pending" ? "overview.waiting" : "overview.notCorrected")
                    : percent(attempt.score, locale)}
                </td>
                <td data-label={t("overview.col.when")}>
                  <When iso={attempt.created_at} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </section>
  );
}
