"use client";
import { useRef } from "react";
import { Field } from "@/components/field";
import { PasswordField } from "@/components/password-field";
import { ProblemNotice } from "@/components/problem-notice";
import { SubmitButton } from "@/components/submit-button";
import { api } from "@/lib/client/api";
import { useFormDraft } from "@/lib/client/use-form-draft";
import { leaveFor, useSubmit } from "@/lib/client/use-submit";
import { startOf } from "@/lib/nav";
import { safePath } from "@/lib/safe-path";
import type { User } from "@/lib/types";
import { checkEmail, errorsOf } from "@/lib/validate";
import { useWords } from "@/words/client";

export function LoginForm({ next }: { next?: string }) {
  const { t } = useWords();
  const form = useRef<HTMLFormElement>(null);
  const draft = useFormDraft(form, "account", ["email"]);
  const { busy, errors, problem, onSubmit } = useSubmit(
    form,
    (data) =>
      errorsOf({
        email: checkEmail(String(data.get("email"))),
        password: data.get("password") ? undefined : "field.required",
      }),
    async (data) => {
      const body = { email: data.get("email"), password: data.get("password") };
      const { user } = await api<{ user: User }>("POST", "/api/session", { body });
      draft.forget();
      await leaveFor(safePath(next, startOf(user.role)));
    },
  );
  return (
    // post: should the browser send the form by itself before the script is there, no password gets into an address.
    <form ref={form} className="stack" method="post" noValidate onSubmit={onSubmit}>
      {problem && <ProblemNotice problem={problem} here={{ 401: "login.wrong" }} />}
      <Field
        label={t("field.email")}
        name="email"
        type="email"
        autoComplete="username"
        maxLength={254}
        error={errors.email && t(errors.email)}
      />
      <PasswordField autoComplete="current-password" error={errors.password && t(errors.password)} />
      <SubmitButton wide busy={busy} label={t("login.submit")} busyLabel={t("login.busy")} />
    </form>
  );
}
