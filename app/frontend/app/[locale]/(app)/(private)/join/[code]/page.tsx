import type { Metadata } from "next";
import Link from "next/link";
import { PageTrouble } from "@/components/page-trouble";
import { load } from "@/lib/server/load";
import { localeOf } from "@/lib/server/page";
import type { QuizFull } from "@/lib/types";
import { words } from "@/words/server";

type Props = { params: Promise<{ locale: string; code: string }> };

export async function generateMetadata({ params }: Props): Promise<Metadata> {
  return { title: words(await localeOf(params))("join.title") };
}

export default async function JoinByCode({ params }: Props) {
  const t = words(await localeOf(params));
  const { code } = await params;
  const { data: quiz, problem } = await load<QuizFull>(`/api/shared/${encodeURIComponent(decodeURIComponent(code))}`);
  return (
    <div className="page narrow">
      <h1>{quiz?.title ?? t("join.title")}</h1>
      {problem && <PageTrouble problem={problem} />}
      {quiz && (
        <div className="stack">
          <p>{t("join.found")}</p>
          {quiz.status === "ready" ? (
            <>
              <p className="soft">{t("quizzes.wanted", { n: quiz.questions.length })}</p>
              <p>
                <Link className="button" href={`/quizzes/${quiz.id}`}>
                  {t("join.start")}
                </Link>
              </p>
            </>
          ) : (
            <p className="soft">{t("join.notReady")}</p>
          )}
        </div>
      )}
    </div>
  );
}
