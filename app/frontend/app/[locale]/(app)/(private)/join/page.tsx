import type { Metadata } from "next";
import { JoinForm } from "@/components/join-form";
import { localeOf } from "@/lib/server/page";
import { words } from "@/words/server";

type Props = { params: Promise<{ locale: string }> };

export async function generateMetadata({ params }: Props): Promise<Metadata> {
  return { title: words(await localeOf(params))("join.title") };
}

export default async function Join({ params }: Props) {
  const t = words(await localeOf(params));
  return (
    <div className="page narrow">
      <h1 className="visually-hidden">{t("join.title")}</h1>
      <JoinForm />
    </div>
  );
}
