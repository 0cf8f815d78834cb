import type { Metadata } from "next";
import { PageTrouble } from "@/components/page-trouble";
import { RefreshButton } from "@/components/refresh-button";
import { StatusChecks } from "@/components/status-checks";
import { StatusReleases } from "@/components/status-releases";
import { StatusWork } from "@/components/status-work";
import { When } from "@/components/when";
import { load } from "@/lib/server/load";
import { localeOf } from "@/lib/server/page";
import type { Status } from "@/lib/types";
import { setting } from "@/scripts/settings.mjs";
import { words } from "@/words/server";

type Props = { params: Promise<{ locale: string }> };

export async function generateMetadata({ params }: Props): Promise<Metadata> {
  return { title: words(await localeOf(params))("status.title") };
}

/** For operators. The backend decides who is one: a role given or taken after the login counts at once. */
export default async function StatusPage({ params }: Props) {
  const locale = await localeOf(params);
  const t = words(locale);
  const { data, problem } = await load<Status>("/api/status");
  return (
    <div className="page">
      <div className="page-head">
        <div className="row">
          <h1>{t("status.title")}</h1>
          <RefreshButton label={t("status.refresh")} />
        </div>
        {data?.time && (
          <p className="soft">
            {t("status.lead")} <When iso={data.time} />
          </p>
        )}
      </div>
      {problem && <PageTrouble problem={problem} />}
      {data && (
        <>
          <StatusChecks checks={data.checks ?? {}} locale={locale} t={t} />
          <StatusWork status={data} locale={locale} t={t} />
        </>
      )}
      <StatusReleases
        frontend={setting("RELEASE")}
        backend={data?.release}
        counts={data?.counts ?? {}}
        apiUrl={process.env.NEXT_PUBLIC_API_URL}
        locale={locale}
        t={t}
      />
    </div>
  );
}
