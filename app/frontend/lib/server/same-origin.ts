/**
 * Whether a request that changes something was made by a page of ours. Browsers say so themselves: in Sec-Fetch-Site,
 * which no page can forge, and in Origin. A request with neither is refused, since no browser sends a change without Origin.
 */
export function sameOrigin(headers: Headers): boolean {
  const site = headers.get("sec-fetch-site");
  if (site !== null && site !== "same-origin") return false;
  const origin = headers.get("origin");
  if (origin === null) return site === "same-origin";
  const host = headers.get("x-forwarded-host") ?? headers.get("host");
  if (!host || !URL.canParse(origin)) return false;
  const from = new URL(origin);
  // A proxy may pass the host on without its port; a port that is named must match.
  return host.includes(":") && !host.endsWith("]") ? from.host === host : from.hostname === host;
}
