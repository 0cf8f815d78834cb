import type { Metadata } from "next";
import { JoinForm } from "@/components/join-form";
import { PageTrouble } from "@/components/page-trouble";
import { Pager } from "@/components/pager";
import { QuizList } from "@/components/quiz-list";
import { load, requireUser } from "@/lib/server/load";
import { localeOf } from "@/lib/server/page";
import type { Page, Quiz } from "@/lib/types";
import { words } from "@/words/server";

type Props = { params: Promise<{ locale: string }>; searchParams: Promise<Record<string, string | string[] | undefined>> };

export async function generateMetadata({ params }: Props): Promise<Metadata> {
  return { title: words(await localeOf(params))("quizzes.title") };
}

export default async function Quizzes({ params, searchParams }: Props) {
  const t = words(await localeOf(params));
  const { user } = await requireUser();
  const page = Math.max(1, Math.min(10_000, Number.parseInt(String((await searchParams).page ?? "1"), 10) || 1));
  const { data, problem } = await load<Page<Quiz>>(`/api/quizzes?page=${page}`);
  const student = user.role === "student";
  return (
    <div className="page">
      <h1>{t("quizzes.title")}</h1>
      {/* What a student comes for stands first. */}
      {student && <JoinForm />}
      {problem ? <PageTrouble problem={problem} /> : <QuizList quizzes={data.items} student={student} t={t} />}
      {data && <Pager path="/quizzes" page={data} />}
      {!student && <JoinForm />}
    </div>
  );
}
