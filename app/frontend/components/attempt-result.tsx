import { Correction } from "@/components/correction";
import { percent } from "@/lib/format";
import type { Locale } from "@/lib/locale";
import type { Attempt, QuizFull } from "@/lib/types";
import type { Key, Translate } from "@/words";

function praise(score: number): Key {
  if (score >= 1) return "attempt.praise.full";
  if (score >= 0.75) return "attempt.praise.good";
  return score >= 0.5 ? "attempt.praise.fair" : "attempt.praise.low";
}

/** The score, then each question with what was right about it and why. */
export function AttemptResult({ quiz, attempt, locale, t }: { quiz: QuizFull; attempt: Attempt; locale: Locale; t: Translate }) {
  const score = attempt.score ?? 0;
  const right = attempt.results.filter(({ correct }) => correct).length;
  const prompts = new Map(quiz.questions.map(({ id, prompt }) => [id, prompt]));
  return (
    <>
      <div className="score">
        <p className="big">{percent(score, locale)}</p>
        <div>
          <p className="label">{t("attempt.score", { right, total: attempt.results.length })}</p>
          <p className="soft">{t(praise(score))}</p>
        </div>
      </div>
      <ol className="questions">
        {attempt.results.map((result, n) => (
          <li key={result.question_id}>
            <Correction result={result} number={n + 1} total={attempt.results.length} prompt={prompts.get(result.question_id) ?? ""} t={t} />
          </li>
        ))}
      </ol>
    </>
  );
}
