import type { Locale } from "@/lib/locale";
import { fr } from "@/words/fr";

export type Key = keyof typeof fr;
export type Dictionary = Record<Key, string>;
export type Values = Record<string, string | number>;
export type Translate = (key: Key, values?: Values) => string;

const BETWEEN_FORMS = " || ";

/** French sets a narrow space that never breaks before ; : ! ? » and after «. Typing it into each text would be forgotten. */
function typeset(text: string, locale: Locale): string {
  if (locale !== "fr") return text;
  return text.replace(/ (?=[;:!?»])/g, "\u202f").replace(/« /g, "«\u202f");
}

/** The function that gives a text of one language, with its {placeholders} filled; numbers as the language writes them. */
export function translator(locale: Locale, dictionary: Dictionary): Translate {
  const rules = new Intl.PluralRules(locale);
  const numbers = new Intl.NumberFormat(locale);
  return (key, values = {}) => {
    const forms = dictionary[key].split(BETWEEN_FORMS);
    // The first number given decides; with one form there is nothing to decide.
    const count = Object.values(values).find((value) => typeof value === "number") ?? 0;
    const form = forms.length > 1 && rules.select(Number(count)) !== "one" ? forms[1] : forms[0];
    return typeset(form ?? "", locale).replace(/\{(\w+)\}/g, (whole, name: string) => {
      const value = values[name];
      if (value === undefined) return whole;
      return typeof value === "number" ? numbers.format(value) : value;
    });
  };
}
