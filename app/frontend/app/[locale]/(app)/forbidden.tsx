"use client";
import Link from "next/link";
import { useWords } from "@/words/client";

export default function Forbidden() {
  const { t } = useWords();
  return (
    <div className="page narrow">
      <h1>{t("forbidden.title")}</h1>
      <p>{t("forbidden.text")}</p>
      <p>
        <Link href="/">{t("notFound.home")}</Link>
      </p>
    </div>
  );
}
