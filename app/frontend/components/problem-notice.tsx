"use client";
import type { ReactNode } from "react";
import { Notice } from "@/components/notice";
import { describe, isUnexpected, type Meanings } from "@/lib/describe";
import type { PlainProblem } from "@/lib/problem";
import { useWords } from "@/words/client";

type Props = { problem: PlainProblem; here?: Meanings; onRetry?: () => void; children?: ReactNode };

/** What went wrong, what to do about it, and the way to do it. */
export function ProblemNotice({ problem, here, onRetry, children }: Props) {
  const { t } = useWords();
  return (
    <Notice tone="bad">
      <p>{describe(problem, t, here)}</p>
      {isUnexpected(problem) && problem.requestId && <p className="small soft">{t("trouble.reference", { id: problem.requestId })}</p>}
      {children}
      {onRetry && (
        <button type="button" className="button quiet" onClick={onRetry}>
          {t("trouble.retry")}
        </button>
      )}
    </Notice>
  );
}
