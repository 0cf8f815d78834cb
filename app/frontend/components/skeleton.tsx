"use client";
import { useWords } from "@/words/client";

/** The place of a page that is on its way. */
export function Skeleton({ lines = 6 }: { lines?: number }) {
  const { t } = useWords();
  return (
    <div className="page" role="status">
      <span className="visually-hidden">{t("loading")}</span>
      <div className="skeleton" aria-hidden="true">
        {Array.from({ length: lines }, (_, n) => (
          <span key={n} />
        ))}
      </div>
    </div>
  );
}
