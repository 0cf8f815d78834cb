import "server-only";
import type { Locale } from "@/lib/locale";
import { translator, type Dictionary, type Translate } from "@/words";
import { en } from "@/words/en";
import { fr } from "@/words/fr";

const DICTIONARIES: Record<Locale, Dictionary> = { fr, en };

export function dictionary(locale: Locale): Dictionary {
  return DICTIONARIES[locale];
}

export function words(locale: Locale): Translate {
  return translator(locale, DICTIONARIES[locale]);
}
