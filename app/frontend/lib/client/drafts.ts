/** What a form keeps for this tab. Storage may be full or forbidden; then nothing is kept, and nothing else changes. */
export function readDraft(key: string): Record<string, string> {
  try {
    return JSON.parse(window.sessionStorage.getItem(key) ?? "{}") as Record<string, string>;
  } catch {
    return {};
  }
}

export function writeDraft(key: string, draft: Record<string, string> | null): void {
  try {
    if (draft === null) window.sessionStorage.removeItem(key);
    else window.sessionStorage.setItem(key, JSON.stringify(draft));
  } catch {
    // nothing to be done
  }
}
