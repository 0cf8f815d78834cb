import type { Metadata } from "next";
import Link from "next/link";
import { SignupForm } from "@/components/signup-form";
import { localeOf } from "@/lib/server/page";
import { words } from "@/words/server";

type Props = { params: Promise<{ locale: string }>; searchParams: Promise<Record<string, string | string[] | undefined>> };

export async function generateMetadata({ params }: Props): Promise<Metadata> {
  return { title: words(await localeOf(params))("signup.title") };
}

export default async function Signup({ params, searchParams }: Props) {
  const t = words(await localeOf(params));
  const { next } = await searchParams;
  const target = typeof next === "string" ? next : undefined;
  return (
    <div className="page narrow">
      <div className="page-head">
        <h1>{t("signup.title")}</h1>
        <p className="soft">{t("signup.lead")}</p>
      </div>
      <SignupForm next={target} joining={target?.startsWith("/join") ?? false} />
      <p>
        {t("signup.have")} <Link href={target ? `/login?next=${encodeURIComponent(target)}` : "/login"}>{t("nav.login")}</Link>
      </p>
    </div>
  );
}
