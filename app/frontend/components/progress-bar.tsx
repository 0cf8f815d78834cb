"use client";
import { useId } from "react";
import { percent } from "@/lib/format";
import { useWords } from "@/words/client";

/** How far something has come, from 0 to 1. */
export function ProgressBar({ part, label }: { part: number; label: string }) {
  const { locale } = useWords();
  const id = useId();
  return (
    <div className="stack tight" style={{ width: "100%" }}>
      <p id={id} className="small">
        {label}
      </p>
      <div
        className="bar"
        role="progressbar"
        aria-labelledby={id}
        aria-valuemin={0}
        aria-valuemax={100}
        aria-valuenow={Math.round(part * 100)}
        aria-valuetext={percent(part, locale)}
      >
        <span style={{ width: `${Math.max(2, part * 100)}%` }} />
      </div>
    </div>
  );
}
