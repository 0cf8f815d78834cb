// In place of next/headers, which works only inside of Next's server: the cookies of one browser.
type Sent = { name: string; value: string; options: Record<string, unknown> };

export const jar = new Map<string, string>();
export const sent: Sent[] = [];

export function emptyJar(): void {
  jar.clear();
  sent.length = 0;
}

export async function cookies() {
  return {
    has: (name: string) => jar.has(name),
    get: (name: string) => (jar.has(name) ? { name, value: jar.get(name) } : undefined),
    set: (name: string, value: string, options: Record<string, unknown>) => {
      sent.push({ name, value, options });
      if (value) jar.set(name, value);
      else jar.delete(name);
    },
  };
}

export async function headers(): Promise<Headers> {
  return new Headers();
}
