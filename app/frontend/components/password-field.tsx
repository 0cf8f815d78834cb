"use client";
import { useState } from "react";
import { Field } from "@/components/field";
import { useWords } from "@/words/client";

type Props = { autoComplete: "current-password" | "new-password"; hint?: string; error?: string };

export function PasswordField({ autoComplete, hint, error }: Props) {
  const { t } = useWords();
  const [shown, setShown] = useState(false);
  return (
    <Field
      label={t("field.password")}
      name="password"
      type={shown ? "text" : "password"}
      autoComplete={autoComplete}
      autoCapitalize="none"
      spellCheck={false}
      maxLength={200}
      hint={hint}
      error={error}
      after={
        <button type="button" className="button quiet" aria-pressed={shown} onClick={() => setShown(!shown)}>
          {shown ? t("field.password.hide") : t("field.password.show")}
          <span className="visually-hidden"> {t("field.password").toLowerCase()}</span>
        </button>
      }
    />
  );
}
