import { describe, expect, test } from "vitest";
import { translator, type Key } from "@/words";
import { dictionary, words } from "@/words/server";

const fr = dictionary("fr");
const en = dictionary("en");
const keys = Object.keys(fr) as Key[];
const placeholders = (text: string) => [...text.matchAll(/\{(\w+)\}/g)].map((match) => match[1]).sort();

describe("the dictionaries", () => {
  test("both languages have the same texts", () => {
    expect(Object.keys(en).sort()).toEqual(Object.keys(fr).sort());
  });

  // Why: a placeholder that is missing hides a file's name or a number from half of the people.
  test.each(keys)("%s has the same placeholders in every form of both languages", (key) => {
    const forms = [...fr[key].split(" || "), ...en[key].split(" || ")].map(placeholders);
    for (const form of forms) expect(form).toEqual(forms[0]);
  });

  test("no text is empty", () => {
    for (const key of keys) expect(fr[key].trim() && en[key].trim(), key).toBeTruthy();
  });
});

describe("a text", () => {
  const t = words("fr");

  test("takes the form that its number asks for; French says 0 in the singular", () => {
    expect(t("documents.count", { n: 0 })).toBe("0 document");
    expect(t("documents.count", { n: 2 })).toBe("2 documents");
    expect(words("en")("documents.count", { n: 0 })).toBe("0 documents");
  });

  test("writes numbers as the language does", () => {
    expect(words("en")("document.characters", { n: 12345 })).toBe("12,345 characters");
    expect(t("document.characters", { n: 12345 })).toMatch(/^12\s345 caractères$/u);
  });

  test("in French has narrow spaces that never break before ? and inside of « »", () => {
    expect(t("documents.delete.title")).toBe("Supprimer ce document\u202f?");
    expect(t("upload.done", { title: "Ma leçon" })).toBe("«\u202fMa leçon\u202f» est prêt.");
  });

  test("does not touch what people wrote: a title with braces or spaces stays as it is", () => {
    expect(t("upload.done", { title: "Pourquoi {title} ?" })).toContain("Pourquoi {title} ?");
  });

  test("shows a forgotten value by its name instead of nothing", () => {
    expect(translator("en", en)("upload.done")).toBe("“{title}” is ready.");
  });
});
