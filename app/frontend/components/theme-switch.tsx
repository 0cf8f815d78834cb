"use client";
import { useSyncExternalStore } from "react";
import { THEME_KEY, THEMES, type Theme } from "@/lib/theme";
import { useWords } from "@/words/client";

const CHANGED = "aiko-theme-changed";

function current(): Theme {
  const chosen = document.documentElement.dataset.theme;
  return chosen === "light" || chosen === "dark" ? chosen : "system";
}

function subscribe(notify: () => void): () => void {
  window.addEventListener(CHANGED, notify);
  return () => window.removeEventListener(CHANGED, notify);
}

function choose(theme: Theme): void {
  const { dataset } = document.documentElement;
  if (theme === "system") delete dataset.theme;
  else dataset.theme = theme;
  try {
    // Plain text, read by THEME_SCRIPT before the first paint.
    if (theme === "system") localStorage.removeItem(THEME_KEY);
    else localStorage.setItem(THEME_KEY, theme);
  } catch {
    // Without storage the choice lasts as long as the page.
  }
  window.dispatchEvent(new Event(CHANGED));
}

/** Light, dark, or as the system has it. */
export function ThemeSwitch() {
  const { t } = useWords();
  const theme = useSyncExternalStore(subscribe, current, () => "system" as const);
  return (
    <fieldset className="switch">
      <legend className="visually-hidden">{t("settings.theme")}</legend>
      {THEMES.map((name) => (
        <label key={name}>
          <input className="visually-hidden" type="radio" name="theme" value={name} checked={theme === name} onChange={() => choose(name)} />
          {t(`settings.theme.${name}`)}
        </label>
      ))}
    </fieldset>
  );
}
