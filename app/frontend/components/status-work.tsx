import { span } from "@/lib/format";
import type { Locale } from "@/lib/locale";
import type { Status } from "@/lib/types";
import type { Translate } from "@/words";

/** Background work: who does it, what waits for it, and whether the schedule runs. */
export function StatusWork({ status, locale, t }: { status: Status; locale: Locale; t: Translate }) {
  const workers = status.workers ?? [];
  const last = status.beat?.last_run_seconds_ago;
  return (
    <>
      <section className="stack" aria-labelledby="workers">
        <h2 id="workers">{t("status.workers")}</h2>
        {workers.length === 0 && <p className="notice bad">{t("status.workers.none")}</p>}
        <ul className="list">
          {workers.map((worker) => (
            <li key={worker.name}>
              <div>
                <p className="label">{worker.name}</p>
                <p className="facts">
                  {typeof worker.active === "number" && <span>{t("status.worker.active", { n: worker.active })}</span>}
                  {typeof worker.seconds_since_heartbeat === "number" && (
                    <span>{t("status.worker.heartbeat", { seconds: span(worker.seconds_since_heartbeat, locale) })}</span>
                  )}
                </p>
              </div>
              <span className={`tag ${worker.alive ? "good" : "bad"}`}>{t(worker.alive ? "status.worker.alive" : "status.worker.gone")}</span>
            </li>
          ))}
        </ul>
      </section>
      <section className="stack" aria-labelledby="queues">
        <h2 id="queues">{t("status.queues")}</h2>
        <ul className="list">
          {Object.entries(status.queues ?? {}).map(([name, waiting]) => (
            <li key={name}>
              <span className="label">{name}</span>
              <span>{t("status.queue.waiting", { n: waiting })}</span>
            </li>
          ))}
          <li>
            <p className="label">{t("status.beat")}</p>
            <span className="facts">{typeof last === "number" ? t("status.beat.last", { seconds: span(last, locale) }) : t("status.beat.never")}</span>
          </li>
        </ul>
      </section>
    </>
  );
}
