import Image from "next/image";
import notebook from "@/assets/notebook.webp";
import { Footer } from "@/components/footer";
import { HomeActions } from "@/components/home-actions";
import { HomeHeader } from "@/components/home-header";
import { localeOf } from "@/lib/server/page";
import { words } from "@/words/server";

type Props = { params: Promise<{ locale: string }> };

export const dynamic = "force-static";
const STEPS = [1, 2, 3] as const;

export default async function Home({ params }: Props) {
  const t = words(await localeOf(params));
  return (
    <>
      <HomeHeader />
      <main id="content" tabIndex={-1}>
        <div className="hero">
          <div className="hero-inner">
            <div className="stack">
              <p className="kicker">{t("home.kicker")}</p>
              <h1>{t("home.title")}</h1>
              <p className="lead">{t("home.lead")}</p>
              <HomeActions />
            </div>
            <Image className="picture" src={notebook} alt={t("home.picture")} sizes="(min-width: 52rem) 30rem, 90vw" priority />
          </div>
        </div>
        <div className="page">
          <h2>{t("home.how")}</h2>
          <ol className="steps">
            {STEPS.map((n) => (
              <li key={n}>
                <h3>{t(`home.step${n}.title`)}</h3>
                <p>{t(`home.step${n}.text`)}</p>
              </li>
            ))}
          </ol>
          <p className="soft small">{t("home.note")}</p>
        </div>
      </main>
      <Footer t={t} />
    </>
  );
}
