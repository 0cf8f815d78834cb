import "server-only";
import { isLocale, LOCALES, type Locale } from "@/lib/locale";

/** The language that the middleware put in front of the path. */
export async function localeOf(params: Promise<{ locale: string }>): Promise<Locale> {
  const { locale } = await params;
  return isLocale(locale) ? locale : LOCALES[0];
}
