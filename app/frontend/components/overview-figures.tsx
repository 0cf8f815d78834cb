import { Figures } from "@/components/figures";
import { percent } from "@/lib/format";
import type { Locale } from "@/lib/locale";
import type { Overview } from "@/lib/types";
import type { Translate } from "@/words";

export function OverviewFigures({ overview, locale, t }: { overview: Overview; locale: Locale; t: Translate }) {
  const { documents, quizzes, attempts, students, average_score } = overview;
  const number = new Intl.NumberFormat(locale);
  const { pending, failed } = quizzes;
  return (
    <Figures
      items={[
        { name: t("overview.documents"), value: number.format(documents) },
        {
          name: t("overview.quizzes"),
          value: number.format(quizzes.ready),
          more: pending || failed ? t("overview.quizzes.more", { pending, failed }) : undefined,
        },
        { name: t("overview.attempts"), value: number.format(attempts) },
        { name: t("overview.students"), value: number.format(students) },
        { name: t("overview.average"), value: average_score === null ? "–" : percent(average_score, locale) },
      ]}
    />
  );
}
