/** Browser storage may be full or forbidden; then drafts are not kept, and nothing else changes. */
export function readStored<T>(storage: () => Storage, key: string): T | undefined {
  try {
    const text = storage().getItem(key);
    return text === null ? undefined : (JSON.parse(text) as T);
  } catch {
    return undefined;
  }
}

export function writeStored(storage: () => Storage, key: string, value: unknown): void {
  try {
    if (value === undefined) storage().removeItem(key);
    else storage().setItem(key, JSON.stringify(value));
  } catch {
    // nothing to be done
  }
}

export const session = (): Storage => window.sessionStorage;
export const local = (): Storage => window.localStorage;
