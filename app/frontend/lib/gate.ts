/** Carries a page's own address to where it is rendered: layouts are not told it. */
export const PATH_HEADER = "x-aiko-path";

/**
 * Whether a page found its session over and sent the person to log in again: pages cannot clear cookies. Not when
 * another site's link leads here, or it could log people out.
 */
export function leavesSession(url: { pathname: string; searchParams: URLSearchParams }, headers: Headers): boolean {
  const site = headers.get("sec-fetch-site");
  return url.pathname === "/login" && url.searchParams.has("ended") && site !== "cross-site" && site !== "same-site";
}
