"use client";
import Link from "next/link";
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
import { checkEmail, checkName, checkNewPassword, errorsOf } from "@/lib/validate";
import { useWords } from "@/words/client";

const ROLES = ["teacher", "student"] as const;

export function SignupForm({ next, joining }: { next?: string; joining: boolean }) {
  const { t } = useWords();
  const form = useRef<HTMLFormElement>(null);
  const draft = useFormDraft(form, "account", ["name", "email", "role"]);
  const { busy, errors, problem, onSubmit } = useSubmit(
    form,
    (data) =>
      errorsOf({
        name: checkName(String(data.get("name"))),
        email: checkEmail(String(data.get("email"))),
        password: checkNewPassword(String(data.get("password"))),
      }),
    async (data) => {
      const { user } = await api<{ user: User }>("POST", "/api/session/register", { body: Object.fromEntries(data) });
      draft.forget();
      await leaveFor(safePath(next, startOf(user.role)));
    },
  );
  return (
    <form ref={form} className="stack" method="post" noValidate onSubmit={onSubmit}>
      {problem && (
        <ProblemNotice problem={problem} here={{ 409: "signup.taken" }}>
          {problem.status === 409 && <Link href="/login">{t("nav.login")}</Link>}
        </ProblemNotice>
      )}
      <fieldset className="stack tight">
        <legend className="label">{t("signup.role")}</legend>
        <div className="stack tight">
          {ROLES.map((role) => (
            <label key={role} className="choice">
              {/* Who comes with a code is a student, most likely. */}
              <input type="radio" name="role" value={role} defaultChecked={role === (joining ? "student" : "teacher")} />
              <span>{t(`signup.role.${role}`)}</span>
              <span className="hint">{t(`signup.role.${role}.hint`)}</span>
            </label>
          ))}
        </div>
      </fieldset>
      <Field label={t("field.name")} name="name" autoComplete="name" maxLength={200} error={errors.name && t(errors.name)} />
      <Field
        label={t("field.email")}
        name="email"
        type="email"
        autoComplete="username"
        maxLength={254}
        error={errors.email && t(errors.email)}
      />
      <PasswordField autoComplete="new-password" hint={t("field.password.hint")} error={errors.password && t(errors.password)} />
      <SubmitButton wide busy={busy} label={t("signup.submit")} busyLabel={t("signup.busy")} />
    </form>
  );
}
