import type { Key } from "@/words";

export type FieldErrors = Record<string, Key>;

const EMAIL = /^[^@\s]{1,64}@[^@\s]+\.[^@\s.]+$/;

/** What the backend would refuse as well, told without asking it. */
export function checkEmail(email: string): Key | undefined {
  if (!email.trim()) return "field.required";
  return EMAIL.test(email.trim()) && email.length <= 254 ? undefined : "field.email.bad";
}

export function checkName(name: string): Key | undefined {
  if (!name.trim()) return "field.required";
  return name.trim().length > 200 ? "field.long" : undefined;
}

export function checkNewPassword(password: string): Key | undefined {
  if (!password) return "field.required";
  if (password.length > 200) return "field.long";
  return password.length < 8 ? "field.password.short" : undefined;
}

/** Only what is wrong. */
export function errorsOf(checked: Record<string, Key | undefined>): FieldErrors {
  return Object.fromEntries(Object.entries(checked).filter((entry): entry is [string, Key] => entry[1] !== undefined));
}

/** The code in what somebody typed or pasted: a code, or a link that ends in one. */
export function shareCode(typed: string): string | undefined {
  const code = typed.trim().split(/[?#]/)[0]?.replace(/\/+$/, "").split("/").at(-1) ?? "";
  return /^[\w-]{1,64}$/.test(code) ? code : undefined;
}
