import type { PlainProblem } from "@/lib/problem";
import type { Key, Translate } from "@/words";

/** Statuses that mean something more exact at one place than elsewhere. */
export type Meanings = Partial<Record<number, Key>>;

const GENERAL: Record<number, Key> = {
  0: "trouble.network",
  400: "trouble.400",
  401: "trouble.401",
  403: "trouble.403",
  404: "trouble.404",
  409: "trouble.409",
  413: "trouble.413",
  415: "trouble.415",
  422: "trouble.422",
  502: "trouble.away",
  503: "trouble.away",
  504: "trouble.away",
};

/** What the backend says to people in English, and what we say instead in theirs. */
const KNOWN: readonly (readonly [pattern: RegExp, key: Key])[] = [
  [/too short for a quiz/, "known.tooShort"],
  [/the text gave (?<made>\d+) questions instead of (?<wanted>\d+)/, "known.fewer"],
  [/took more than/, "known.slow"],
  [/password|encrypted|protected/, "known.protected"],
  [/is damaged|cannot be read/, "known.damaged"],
  [/no text was found/, "known.noText"],
  [/file is empty/, "known.emptyFile"],
  [/characters of text/, "known.longText"],
  [/generator failed|task failed/, "known.failed"],
];

/** The person's language for a sentence of the backend; undefined when we know none. */
export function explain(detail: string, t: Translate): string | undefined {
  for (const [pattern, key] of KNOWN) {
    const match = pattern.exec(detail);
    if (match) return t(key, match.groups);
  }
  return undefined;
}

/** One sentence that says what happened and what to do about it. */
export function describe(problem: PlainProblem, t: Translate, here: Meanings = {}): string {
  const { status, detail, retryAfter } = problem;
  if (status === 429) return t("trouble.429", { n: retryAfter ?? 60 });
  const known = status === 422 && detail ? explain(detail, t) : undefined;
  return known ?? t(here[status] ?? GENERAL[status] ?? "trouble.unexpected");
}

/** Whether the reference is worth showing: where nobody but an operator can help. */
export function isUnexpected({ status }: PlainProblem): boolean {
  return status >= 500;
}
