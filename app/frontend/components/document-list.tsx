"use client";
import Link from "next/link";
import { useState } from "react";
import { DeleteDocument } from "@/components/delete-document";
import { When } from "@/components/when";
import { size } from "@/lib/format";
import type { DocumentItem, Page } from "@/lib/types";
import { useWords } from "@/words/client";

type Props = { page: Page<DocumentItem>; q: string; onDeleted: (document: DocumentItem) => void; onMore: () => Promise<void>; onClear: () => void };

export function DocumentList({ page, q, onDeleted, onMore, onClear }: Props) {
  const { t, locale } = useWords();
  const [leaving, setLeaving] = useState<DocumentItem>();
  if (!page.items.length) return <NoDocuments q={q} onClear={onClear} />;
  return (
    <>
      <ul className="list">
        {page.items.map((document) => (
          <li key={document.id}>
            <div className="stack tight">
              <p className="name">
                <Link href={`/documents/${document.id}`} prefetch={false}>
                  {document.title}
                </Link>
              </p>
              <p className="facts">
                <span>{t(`document.kind.${document.kind}`)}</span>
                <span>{size(document.size_bytes, locale)}</span>
                <When iso={document.created_at} />
              </p>
            </div>
            <button
              type="button"
              className="link bad"
              aria-label={t("documents.delete.label", { title: document.title })}
              onClick={() => setLeaving(document)}
            >
              {t("documents.delete")}
            </button>
          </li>
        ))}
      </ul>
      {page.items.length < page.total && (
        <button type="button" className="button quiet" onClick={() => void onMore()}>
          {t("documents.more")}
        </button>
      )}
      {leaving && <DeleteDocument document={leaving} onClose={() => setLeaving(undefined)} onDeleted={() => onDeleted(leaving)} />}
    </>
  );
}

function NoDocuments({ q, onClear }: { q: string; onClear: () => void }) {
  const { t } = useWords();
  if (q) {
    return (
      <div className="empty">
        <p>{t("documents.search.none", { q })}</p>
        <button type="button" className="link" onClick={onClear}>
          {t("documents.search.clear")}
        </button>
      </div>
    );
  }
  return (
    <div className="empty">
      <h2>{t("documents.none.title")}</h2>
      <p className="soft">{t("documents.none.text")}</p>
    </div>
  );
}
