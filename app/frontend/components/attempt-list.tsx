"use client";
import Link from "next/link";
import { When } from "@/components/when";
import { percent } from "@/lib/format";
import type { Attempt } from "@/lib/types";
import { useWords } from "@/words/client";

export function AttemptList({ quizId, attempts }: { quizId: string; attempts: Attempt[] }) {
  const { t, locale } = useWords();
  return (
    <section className="stack tight" aria-labelledby="attempts">
      <h2 id="attempts">{t("quiz.attempts")}</h2>
      <ul className="stack tight">
        {attempts.map((attempt) => (
          <li key={attempt.id} className="row">
            <Link href={`/quizzes/${quizId}/attempts/${attempt.id}`} prefetch={false}>
              <When iso={attempt.created_at} />
            </Link>
            <span className="soft">
              {attempt.score === null
                ? t(attempt.status === "pending" ? "overview.waiting" : "overview.notCorrected")
                : percent(attempt.score, locale)}
            </span>
          </li>
        ))}
      </ul>
    </section>
  );
}
