import type { Metadata } from "next";
import { DocumentDesk } from "@/components/document-desk";
import { load } from "@/lib/server/load";
import { localeOf } from "@/lib/server/page";
import type { DocumentItem, Page } from "@/lib/types";
import { setting } from "@/scripts/settings.mjs";
import { words } from "@/words/server";

type Props = { params: Promise<{ locale: string }>; searchParams: Promise<Record<string, string | string[] | undefined>> };

export async function generateMetadata({ params }: Props): Promise<Metadata> {
  return { title: words(await localeOf(params))("documents.title") };
}

export default async function Documents({ params, searchParams }: Props) {
  const t = words(await localeOf(params));
  const { q } = await searchParams;
  const query = typeof q === "string" ? q.slice(0, 200) : "";
  const { data, problem } = await load<Page<DocumentItem>>(`/api/documents?q=${encodeURIComponent(query)}`);
  return (
    <div className="page">
      <div className="page-head">
        <h1>{t("documents.title")}</h1>
      </div>
      <DocumentDesk first={data} trouble={problem} query={query} maxMb={Number(setting("MAX_UPLOAD_MB"))} />
    </div>
  );
}
