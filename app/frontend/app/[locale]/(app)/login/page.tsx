import type { Metadata } from "next";
import Link from "next/link";
import { LoginForm } from "@/components/login-form";
import { Notice } from "@/components/notice";
import { localeOf } from "@/lib/server/page";
import { words } from "@/words/server";

type Props = { params: Promise<{ locale: string }>; searchParams: Promise<Record<string, string | string[] | undefined>> };

export async function generateMetadata({ params }: Props): Promise<Metadata> {
  return { title: words(await localeOf(params))("login.title") };
}

export default async function Login({ params, searchParams }: Props) {
  const t = words(await localeOf(params));
  const { next, ended } = await searchParams;
  const target = typeof next === "string" ? next : undefined;
  return (
    <div className="page narrow">
      <div className="page-head">
        <h1>{t("login.title")}</h1>
        <p className="soft">{t("login.lead")}</p>
      </div>
      {ended ? <Notice>{t("login.ended")}</Notice> : target && <Notice>{t("login.first")}</Notice>}
      <LoginForm next={target} />
      <p>
        {t("login.none")} <Link href={target ? `/signup?next=${encodeURIComponent(target)}` : "/signup"}>{t("nav.signup")}</Link>
      </p>
    </div>
  );
}
