import type { Result } from "@/lib/types";
import type { Translate } from "@/words";

type Props = { result: Result; number: number; total: number; prompt: string; t: Translate };

/** One corrected answer. Right and wrong are told in words and signs as well, not by colour alone. */
export function Correction({ result: { given, correct, answer, explanation }, number, total, prompt, t }: Props) {
  return (
    <article className={`correction question ${correct ? "" : "wrong"}`.trim()}>
      <div>
        <p className="row">
          <span className="soft small">{t("quiz.question", { n: number, total })}</span>
          <span className={`tag ${correct ? "good" : "bad"}`}>
            <span aria-hidden="true">{correct ? "✓" : "✗"}</span> {t(correct ? "attempt.right" : "attempt.wrong")}
          </span>
        </p>
        <h2 className="prompt">{prompt}</h2>
      </div>
      <dl>
        <div>
          <dt>{t("attempt.given")}</dt>
          <dd>{given ?? <em className="soft">{t("attempt.none")}</em>}</dd>
        </div>
        {!correct && (
          <div>
            <dt>{t("attempt.answer")}</dt>
            <dd>
              <strong>{answer}</strong>
            </dd>
          </div>
        )}
        <div>
          <dt>{t("attempt.why")}</dt>
          <dd>{explanation}</dd>
        </div>
      </dl>
    </article>
  );
}
