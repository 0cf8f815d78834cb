import { useMemo } from "react";
import { read, useLocalText } from "@/lib/client/use-local-text";
import type { Question } from "@/lib/types";

export type Answers = Record<string, string>;

/** Of what was stored only what this quiz asks and offers: a storage may hold anything. */
export function usableAnswers(text: string | null, questions: readonly Question[]): Answers {
  let stored: unknown;
  try {
    stored = JSON.parse(text ?? "{}");
  } catch {
    return {};
  }
  if (typeof stored !== "object" || stored === null) return {};
  const given = stored as Record<string, unknown>;
  return Object.fromEntries(
    questions.flatMap(({ id, options }) => {
      const option = options.find((offered) => offered === given[id]);
      return option === undefined ? [] : [[id, option]];
    }),
  );
}

/** The answers given so far, kept in this browser until they are handed in. Each person has their own. */
export function useAnswers(quizId: string, userId: string, questions: readonly Question[]) {
  const key = `aiko-answers:${userId}:${quizId}`;
  const [text, store] = useLocalText(key);
  const answers = useMemo(() => usableAnswers(text, questions), [text, questions]);
  return {
    answers,
    give: (questionId: string, option: string) => store(JSON.stringify({ ...answers, [questionId]: option })),
    /** Takes over what the form itself holds, from before this code ran in the browser. */
    giveEarly: (form: FormData) => {
      const early = usableAnswers(JSON.stringify(Object.fromEntries(form)), questions);
      if (Object.keys(early).length) store(JSON.stringify({ ...usableAnswers(read(key), questions), ...early }));
    },
    forget: () => store(null),
  };
}
