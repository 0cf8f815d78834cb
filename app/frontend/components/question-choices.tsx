"use client";
import type { Question } from "@/lib/types";
import { useWords } from "@/words/client";

type Props = { question: Question; number: number; total: number; value: string | undefined; onGive: (id: string, option: string) => void };

/** A question and its options: a group of radio buttons, so that the arrow keys move among them. */
export function QuestionChoices({ question, number, total, value, onGive }: Props) {
  const { t } = useWords();
  return (
    <fieldset className="question">
      <legend>
        <span className="number">{t("quiz.question", { n: number, total })}</span>
        <span className="prompt">{question.prompt}</span>
      </legend>
      <div className="stack">
        {question.options.map((option) => (
          <label key={option} className="choice">
            <input
              type="radio"
              name={question.id}
              value={option}
              checked={value === option}
              onChange={() => onGive(question.id, option)}
            />
            <span>{option}</span>
          </label>
        ))}
      </div>
    </fieldset>
  );
}
