"use client";
import { useRef, useState } from "react";
import { DocumentList } from "@/components/document-list";
import { ProblemNotice } from "@/components/problem-notice";
import { SearchField } from "@/components/search-field";
import { UploadZone } from "@/components/upload-zone";
import { useDocuments } from "@/lib/client/use-documents";
import type { PlainProblem } from "@/lib/problem";
import type { DocumentItem, Page } from "@/lib/types";
import { useWords } from "@/words/client";

type Props = { first?: Page<DocumentItem>; trouble?: PlainProblem; query: string; maxMb: number };

/** Upload, search, list: one desk, since each changes what the others show. */
export function DocumentDesk({ first, trouble, query, maxMb }: Props) {
  const { t } = useWords();
  const documents = useDocuments(query, first, trouble);
  const [said, setSaid] = useState("");
  const count = useRef<HTMLParagraphElement>(null);
  const { page, problem, q } = documents;

  function deleted(document: DocumentItem) {
    documents.reload();
    setSaid(t("documents.deleted", { title: document.title }));
    // The button that had the focus is gone.
    count.current?.focus();
  }

  return (
    <>
      <UploadZone
        maxMb={maxMb}
        onUploaded={() => {
          setSaid("");
          documents.search("");
        }}
      />
      <section className="stack" aria-label={t("documents.title")}>
        <SearchField value={q} onSearch={documents.search} />
        <p ref={count} className="soft small" role="status" tabIndex={-1}>
          {said} {page && t("documents.count", { n: page.total })}
        </p>
        {problem && <ProblemNotice problem={problem} onRetry={documents.reload} />}
        {page && <DocumentList page={page} q={q} onDeleted={deleted} onMore={documents.more} onClear={() => documents.search("")} />}
      </section>
    </>
  );
}
