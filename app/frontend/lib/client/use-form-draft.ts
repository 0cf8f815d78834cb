import { useEffect, type RefObject } from "react";
import { readDraft, writeDraft } from "@/lib/client/drafts";

const field = (form: HTMLFormElement, name: string) => form.elements.namedItem(name);

/**
 * Keeps what is typed into the named fields of a form until `forget` is called: over reloads, a change of language, and a
 * visit to the login page. Passwords are never named.
 */
export function useFormDraft(form: RefObject<HTMLFormElement | null>, key: string, names: readonly string[]): { forget: () => void } {
  const storageKey = `aiko-draft:${key}`;
  const listed = names.join(" ");
  useEffect(() => {
    const element = form.current;
    if (!element) return;
    const wanted = listed.split(" ");
    const draft = readDraft(storageKey);
    for (const name of wanted) {
      const found = field(element, name);
      const value = draft[name];
      // What was typed before this ran is newer than the draft.
      if (value === undefined || !(found instanceof HTMLInputElement || found instanceof RadioNodeList)) continue;
      if (found instanceof RadioNodeList || found.value === found.defaultValue) found.value = value;
    }
    const keep = () => {
      const data = new FormData(element);
      writeDraft(storageKey, Object.fromEntries(wanted.map((name) => [name, String(data.get(name) ?? "")])));
    };
    element.addEventListener("input", keep);
    return () => element.removeEventListener("input", keep);
  }, [form, storageKey, listed]);
  return { forget: () => writeDraft(storageKey, null) };
}
