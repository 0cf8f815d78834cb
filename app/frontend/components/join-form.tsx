"use client";
import { useRouter } from "next/navigation";
import { useRef } from "react";
import { Field } from "@/components/field";
import { SubmitButton } from "@/components/submit-button";
import { useSubmit } from "@/lib/client/use-submit";
import { errorsOf, shareCode } from "@/lib/validate";
import { useWords } from "@/words/client";

/** From a code, or the link that holds it, to its quiz. */
export function JoinForm() {
  const { t } = useWords();
  const router = useRouter();
  const form = useRef<HTMLFormElement>(null);
  const { busy, errors, onSubmit } = useSubmit(
    form,
    (data) => errorsOf({ code: shareCode(String(data.get("code"))) ? undefined : "join.bad" }),
    async (data) => router.push(`/join/${shareCode(String(data.get("code"))) ?? ""}`),
  );
  return (
    <section className="card stack" aria-labelledby="join">
      <h2 id="join">{t("join.title")}</h2>
      <form ref={form} className="stack" method="post" noValidate onSubmit={onSubmit}>
        <Field
          label={t("join.code")}
          name="code"
          autoComplete="off"
          autoCapitalize="none"
          spellCheck={false}
          maxLength={300}
          hint={t("join.hint")}
          error={errors.code && t(errors.code)}
          after={<SubmitButton busy={busy} label={t("join.submit")} busyLabel={t("join.submit")} />}
        />
      </form>
    </section>
  );
}
