"use client";
import { createContext, use, useMemo, type ReactNode } from "react";
import type { Locale } from "@/lib/locale";
import { translator, type Dictionary, type Translate } from "@/words";

type Language = { locale: Locale; t: Translate };
const Context = createContext<Language | undefined>(undefined);

/** Gives the texts of the page's language, and only of that one, to the components that run in the browser. */
export function WordsProvider({ locale, dictionary, children }: { locale: Locale; dictionary: Dictionary; children: ReactNode }) {
  const language = useMemo(() => ({ locale, t: translator(locale, dictionary) }), [locale, dictionary]);
  return <Context value={language}>{children}</Context>;
}

export function useWords(): Language {
  const language = use(Context);
  if (!language) throw new Error("useWords() outside of a WordsProvider");
  return language;
}
