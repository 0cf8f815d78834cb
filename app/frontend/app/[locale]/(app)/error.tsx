"use client";
import { useRouter } from "next/navigation";
import { startTransition } from "react";
import { useWords } from "@/words/client";

/** For what nobody foresaw. The details are in the server's log, under the digest. */
export default function Failure({ error, reset }: { error: Error & { digest?: string }; reset: () => void }) {
  const { t } = useWords();
  const router = useRouter();
  const retry = () =>
    startTransition(() => {
      router.refresh();
      reset();
    });
  return (
    <div className="page narrow" role="alert">
      <h1>{t("error.title")}</h1>
      <p>{t("error.text")}</p>
      {error.digest && <p className="soft small">{t("trouble.reference", { id: error.digest })}</p>}
      <p>
        <button type="button" className="button" onClick={retry}>
          {t("trouble.retry")}
        </button>
      </p>
    </div>
  );
}
