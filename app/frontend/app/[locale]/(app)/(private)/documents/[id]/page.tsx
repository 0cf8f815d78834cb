import type { Metadata } from "next";
import Link from "next/link";
import { PageTrouble } from "@/components/page-trouble";
import { QuizMaker } from "@/components/quiz-maker";
import { When } from "@/components/when";
import { size } from "@/lib/format";
import { load } from "@/lib/server/load";
import { localeOf } from "@/lib/server/page";
import type { DocumentFull } from "@/lib/types";
import { words } from "@/words/server";

/** So many characters of the text the backend gives with the document. */
const EXCERPT = 2000;

type Props = { params: Promise<{ locale: string; id: string }> };

export async function generateMetadata({ params }: Props): Promise<Metadata> {
  return { title: words(await localeOf(params))("documents.title") };
}

export default async function DocumentPage({ params }: Props) {
  const locale = await localeOf(params);
  const t = words(locale);
  const { id } = await params;
  const { data: document, problem } = await load<DocumentFull>(`/api/documents/${encodeURIComponent(id)}`);
  if (problem) {
    return (
      <div className="page">
        <h1>{t("documents.title")}</h1>
        <PageTrouble problem={problem} />
      </div>
    );
  }
  return (
    <div className="page">
      <div className="page-head">
        <p className="small">
          <Link href="/documents">{t("document.back")}</Link>
        </p>
        <h1>{document.title}</h1>
        <p className="facts">
          <span>{t(`document.kind.${document.kind}`)}</span>
          <span>{size(document.size_bytes, locale)}</span>
          <span>{t("document.characters", { n: document.characters })}</span>
          <When iso={document.created_at} />
        </p>
      </div>
      <div className="split">
        <section className="stack" aria-labelledby="excerpt">
          <h2 id="excerpt">{t("document.excerpt")}</h2>
          <p className="soft small">{t("document.excerpt.note")}</p>
          {/* Scrolls, so the keyboard must reach it. */}
          <div className="excerpt" tabIndex={0} role="group" aria-labelledby="excerpt">
            {document.excerpt}
            {document.characters > EXCERPT && " …"}
          </div>
          <p>
            <a href={`/api/bff/documents/${document.id}/file`} download>
              {t("document.download")}
            </a>
          </p>
        </section>
        <QuizMaker documentId={document.id} />
      </div>
    </div>
  );
}
