import { Figures } from "@/components/figures";
import type { Locale } from "@/lib/locale";
import type { Translate } from "@/words";

type Props = {
  frontend: string;
  backend: string | null | undefined;
  counts: Record<string, number>;
  apiUrl: string | undefined;
  locale: Locale;
  t: Translate;
};

const COUNTS = ["users", "documents", "quizzes", "attempts"] as const;

/** What is installed, and how much it holds. It shows as well when the backend is away: the frontend knows its own release. */
export function StatusReleases({ frontend, backend, counts, apiUrl, locale, t }: Props) {
  const number = new Intl.NumberFormat(locale);
  const known = COUNTS.filter((name) => typeof counts[name] === "number");
  return (
    <>
      {known.length > 0 && (
        <section className="stack" aria-labelledby="counts">
          <h2 id="counts">{t("status.counts")}</h2>
          <Figures items={known.map((name) => ({ name: t(`status.count.${name}`), value: number.format(counts[name] ?? 0) }))} />
        </section>
      )}
      <section className="stack" aria-labelledby="releases">
        <h2 id="releases">{t("status.releases")}</h2>
        <ul className="list">
          <li>
            <span className="label">{t("status.release.frontend")}</span>
            <code className="copy">{frontend || t("status.release.unknown")}</code>
          </li>
          <li>
            <span className="label">{t("status.release.backend")}</span>
            <code className="copy">{backend || t("status.release.unknown")}</code>
          </li>
        </ul>
        {apiUrl && (
          <p>
            <a href={`${apiUrl.replace(/\/+$/, "")}/openapi.json`}>{t("status.api")}</a>
          </p>
        )}
      </section>
    </>
  );
}
