import { render, type RenderResult } from "@testing-library/react";
import type { ReactElement } from "react";
import type { Locale } from "@/lib/locale";
import { WordsProvider } from "@/words/client";
import { dictionary } from "@/words/server";

/** Renders what needs the page's language. */
export function show(element: ReactElement, locale: Locale = "en"): RenderResult {
  return render(
    <WordsProvider locale={locale} dictionary={dictionary(locale)}>
      {element}
    </WordsProvider>,
  );
}
