import { Notice } from "@/components/notice";
import { size } from "@/lib/format";
import type { Locale } from "@/lib/locale";
import type { Check } from "@/lib/types";
import type { Key, Translate } from "@/words";

const NAMES: Record<string, Key> = {
  database: "status.check.database",
  cache: "status.check.cache",
  broker: "status.check.broker",
  sessions: "status.check.sessions",
  migrations: "status.check.migrations",
  uploads: "status.check.uploads",
};

/** What the platform needs, each asked just now. A check that we have no name for is shown under its own. */
export function StatusChecks({ checks, locale, t }: { checks: Record<string, Check>; locale: Locale; t: Translate }) {
  const nameOf = (id: string) => (NAMES[id] ? t(NAMES[id]) : id);
  const entries = Object.entries(checks);
  const bad = entries.filter(([, check]) => !check.ok).map(([id]) => nameOf(id));
  return (
    <>
      <Notice tone={bad.length ? "bad" : "good"}>
        {bad.length ? t("status.bad", { n: bad.length, names: bad.join(", ") }) : t("status.good")}
      </Notice>
      <section className="stack" aria-labelledby="checks">
        <h2 id="checks">{t("status.checks")}</h2>
        <ul className="list">
          {entries.map(([id, check]) => (
            <li key={id}>
              <div>
                <p className="label">{nameOf(id)}</p>
                <p className="facts">
                  {typeof check.ms === "number" && <span>{t("status.ms", { n: Math.round(check.ms * 10) / 10 })}</span>}
                  {typeof check.free_bytes === "number" && typeof check.total_bytes === "number" && (
                    <span>{t("status.free", { free: size(check.free_bytes, locale), total: size(check.total_bytes, locale) })}</span>
                  )}
                  {check.detail && <span lang="en">{check.detail}</span>}
                </p>
              </div>
              <span className={`tag ${check.ok ? "good" : "bad"}`}>
                <span aria-hidden="true">{check.ok ? "✓" : "✗"}</span> {t(check.ok ? "status.ok" : "status.notOk")}
              </span>
            </li>
          ))}
        </ul>
      </section>
    </>
  );
}
