"use client";
import { LOCALE_COOKIE, LOCALES, type Locale } from "@/lib/locale";
import { useWords } from "@/words/client";

const NAMES: Record<Locale, string> = { fr: "Français", en: "English" };
const YEAR = 31_536_000;

function choose(locale: Locale): void {
  const secure = window.location.protocol === "https:" ? "; Secure" : "";
  document.cookie = `${LOCALE_COOKIE}=${locale}; Path=/; Max-Age=${YEAR}; SameSite=Lax${secure}`;
  window.location.reload();
}

/** Each language by its own name; the choice is remembered for a year. */
export function LocaleSwitch() {
  const { locale: current, t } = useWords();
  return (
    <div className="switch" role="group" aria-label={t("settings.language")}>
      {LOCALES.map((locale) => (
        <button key={locale} type="button" lang={locale} aria-pressed={locale === current} onClick={() => choose(locale)}>
          {locale.toUpperCase()}
          <span className="visually-hidden"> {NAMES[locale]}</span>
        </button>
      ))}
    </div>
  );
}
