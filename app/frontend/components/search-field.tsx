"use client";
import { useId } from "react";
import { useWords } from "@/words/client";

export function SearchField({ value, onSearch }: { value: string; onSearch: (q: string) => void }) {
  const { t } = useWords();
  const id = useId();
  return (
    <div className="field" role="search">
      <label htmlFor={id}>{t("documents.search")}</label>
      <input
        id={id}
        className="input"
        type="search"
        autoComplete="off"
        maxLength={200}
        value={value}
        onChange={(event) => onSearch(event.target.value)}
      />
    </div>
  );
}
