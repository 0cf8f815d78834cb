import type { Metadata } from "next";
import { OverviewFigures } from "@/components/overview-figures";
import { OverviewQuizzes } from "@/components/overview-quizzes";
import { OverviewRecent } from "@/components/overview-recent";
import { PageTrouble } from "@/components/page-trouble";
import { load } from "@/lib/server/load";
import { localeOf } from "@/lib/server/page";
import type { Overview } from "@/lib/types";
import { words } from "@/words/server";

type Props = { params: Promise<{ locale: string }> };

export async function generateMetadata({ params }: Props): Promise<Metadata> {
  return { title: words(await localeOf(params))("overview.title") };
}

export default async function OverviewPage({ params }: Props) {
  const locale = await localeOf(params);
  const t = words(locale);
  const { data, problem } = await load<Overview>("/api/overview");
  return (
    <div className="page">
      <div className="page-head">
        <h1>{t("overview.title")}</h1>
        <p className="soft">{t("overview.lead")}</p>
      </div>
      {problem && <PageTrouble problem={problem} />}
      {data && (
        <>
          <OverviewFigures overview={data} locale={locale} t={t} />
          <OverviewRecent recent={data.recent} locale={locale} t={t} />
          <OverviewQuizzes quizzes={data.by_quiz} locale={locale} t={t} />
        </>
      )}
    </div>
  );
}
