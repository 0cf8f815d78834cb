"use client";
import Link from "next/link";
import { useWords } from "@/words/client";

export default function NotFound() {
  const { t } = useWords();
  return (
    <div className="page narrow">
      <h1>{t("notFound.title")}</h1>
      <p>{t("notFound.text")}</p>
      <p>
        <Link href="/">{t("notFound.home")}</Link>
      </p>
    </div>
  );
}
