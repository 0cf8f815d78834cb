"use client";
import Link from "next/link";
import { useUser } from "@/lib/client/use-user";
import { startOf } from "@/lib/nav";
import { useWords } from "@/words/client";

export function HomeActions() {
  const { t } = useWords();
  const user = useUser();
  return (
    <div className="row">
      {user ? (
        <Link className="button" href={startOf(user.role)}>
          {t("home.open")}
        </Link>
      ) : (
        <Link className="button" href="/signup">
          {t("home.start")}
        </Link>
      )}
      <Link className="button quiet" href="/join" prefetch={false}>
        {t("home.join")}
      </Link>
    </div>
  );
}
