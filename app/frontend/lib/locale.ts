/** The languages of the platform; the first is its origin's and what speakers of neither get. */
export const LOCALES = ["fr", "en"] as const;
export type Locale = (typeof LOCALES)[number];
export const LOCALE_COOKIE = "aiko-locale";
/** From the middleware to the rewrites of next.config.mjs. */
export const LOCALE_HEADER = "x-aiko-locale";

export function isLocale(value: string | undefined): value is Locale {
  return LOCALES.some((locale) => locale === value);
}

/** The language to answer in: what the person chose before, else what the browser likes best of ours. */
export function negotiate(chosen: string | undefined, acceptLanguage: string | null): Locale {
  if (isLocale(chosen)) return chosen;
  const wishes = (acceptLanguage ?? "").split(",").map((part) => {
    const [tag = "", ...parameters] = part.trim().toLowerCase().split(";");
    const quality = parameters.map((p) => /^\s*q=([\d.]+)\s*$/.exec(p)?.[1]).find(Boolean);
    return { language: tag.split("-")[0], quality: quality === undefined ? 1 : Number(quality) };
  });
  const best = wishes
    .filter((wish) => isLocale(wish.language) && wish.quality > 0)
    // sort() is stable: of equal wishes the first named wins.
    .sort((a, b) => b.quality - a.quality)[0];
  return (best?.language as Locale | undefined) ?? LOCALES[0];
}
