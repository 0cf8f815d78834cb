import type { Metadata, Viewport } from "next";
import type { ReactNode } from "react";
import { LOCALES } from "@/lib/locale";
import { localeOf } from "@/lib/server/page";
import { THEME_SCRIPT } from "@/lib/theme";
import { WordsProvider } from "@/words/client";
import { dictionary, words } from "@/words/server";
import "@/styles/tokens.css";
import "@/styles/base.css";
import "@/styles/layout.css";
import "@/styles/controls.css";
import "@/styles/content.css";
import "@/styles/home.css";

type Props = { params: Promise<{ locale: string }> };

export function generateStaticParams(): { locale: string }[] {
  return LOCALES.map((locale) => ({ locale }));
}

export async function generateMetadata({ params }: Props): Promise<Metadata> {
  const t = words(await localeOf(params));
  return { title: { default: t("site.title"), template: `%s · ${t("site.name")}` }, description: t("site.description") };
}

export const viewport: Viewport = {
  colorScheme: "light dark",
  themeColor: [
    { media: "(prefers-color-scheme: light)", color: "#ffffff" },
    { media: "(prefers-color-scheme: dark)", color: "#1a1d29" },
  ],
};

export default async function RootLayout({ children, params }: Props & { children: ReactNode }) {
  const locale = await localeOf(params);
  const t = words(locale);
  return (
    // The script in the head may have set data-theme before React looks.
    <html lang={locale} suppressHydrationWarning>
      <head>
        <script dangerouslySetInnerHTML={{ __html: THEME_SCRIPT }} />
      </head>
      <body>
        <a className="skip" href="#content">
          {t("skip")}
        </a>
        <WordsProvider locale={locale} dictionary={dictionary(locale)}>
          {children}
        </WordsProvider>
      </body>
    </html>
  );
}
