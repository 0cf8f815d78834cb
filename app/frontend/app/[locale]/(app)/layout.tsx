import type { ReactNode } from "react";
import { Footer } from "@/components/footer";
import { Header } from "@/components/header";
import { localeOf } from "@/lib/server/page";
import { readSession } from "@/lib/server/session";
import { words } from "@/words/server";

// Made for each request: with its session, and with a nonce in its scripts.
export const dynamic = "force-dynamic";

type Props = { children: ReactNode; params: Promise<{ locale: string }> };

/** Around every page that knows who is there. */
export default async function AppLayout({ children, params }: Props) {
  const t = words(await localeOf(params));
  const { user } = await readSession();
  return (
    <>
      <Header user={user ?? null} t={t} />
      <main id="content" tabIndex={-1}>
        {children}
      </main>
      <Footer t={t} />
    </>
  );
}
