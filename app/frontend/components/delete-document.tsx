"use client";
import { useState } from "react";
import { ConfirmDialog } from "@/components/confirm-dialog";
import { ProblemNotice } from "@/components/problem-notice";
import { asProblem, call } from "@/lib/client/api";
import type { PlainProblem } from "@/lib/problem";
import type { DocumentItem } from "@/lib/types";
import { useWords } from "@/words/client";

type Props = { document: DocumentItem; onClose: () => void; onDeleted: () => void };

export function DeleteDocument({ document, onClose, onDeleted }: Props) {
  const { t } = useWords();
  const [problem, setProblem] = useState<PlainProblem>();
  const [asking, setAsking] = useState(true);

  async function remove() {
    setAsking(false);
    setProblem(undefined);
    try {
      await call("DELETE", `documents/${document.id}`);
    } catch (error) {
      const told = asProblem(error);
      // Gone already, from another tab: what was wanted is so.
      if (told.status !== 404) return setProblem(told);
    }
    onDeleted();
    onClose();
  }

  if (problem) return <ProblemNotice problem={problem} onRetry={() => void remove()} />;
  if (!asking) return null;
  return (
    <ConfirmDialog
      danger
      title={t("documents.delete.title")}
      confirm={t("documents.delete")}
      cancel={t("dialog.cancel")}
      onConfirm={() => void remove()}
      onClose={onClose}
    >
      <p>{t("documents.delete.text", { title: document.title })}</p>
    </ConfirmDialog>
  );
}
