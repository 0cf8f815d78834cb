"use client";
import { Header } from "@/components/header";
import { useUser } from "@/lib/client/use-user";
import { useWords } from "@/words/client";

/** The header of the home page, which is made at build time and learns only in the browser who reads it. */
export function HomeHeader() {
  const { t } = useWords();
  return <Header user={useUser()} t={t} />;
}
