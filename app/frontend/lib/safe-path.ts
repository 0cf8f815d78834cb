/** Where to go after logging in: a path of this site, and nothing that a browser would take for another site. */
export function safePath(wanted: string | null | undefined, otherwise: string): string {
  if (!wanted || !/^\/(?![/\\])/.test(wanted)) return otherwise;
  // Browsers drop tabs and newlines in URLs: "/\t/evil.example" is "//evil.example" to them.
  if (/[\u0000-\u001f\\]/.test(wanted) || wanted.startsWith("/api/")) return otherwise;
  return wanted;
}
