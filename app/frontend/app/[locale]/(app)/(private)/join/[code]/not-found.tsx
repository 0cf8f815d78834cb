"use client";
import { JoinForm } from "@/components/join-form";
import { useWords } from "@/words/client";

export default function UnknownCode() {
  const { t } = useWords();
  return (
    <div className="page narrow">
      <div className="page-head">
        <h1>{t("join.unknown.title")}</h1>
        <p>{t("join.unknown.text")}</p>
      </div>
      <JoinForm />
    </div>
  );
}
