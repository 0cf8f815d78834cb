import { randomBytes, randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { NextResponse, type NextRequest } from "next/server";
import { policyWithHashes, policyWithNonce } from "@/lib/csp";
import { LOCALE_COOKIE, LOCALE_HEADER, negotiate } from "@/lib/locale";
import { leavesSession, PATH_HEADER } from "@/lib/gate";
import { SESSION_COOKIE, SESSION_COOKIE_OPTIONS } from "@/lib/session-cookie";

const development = process.env.NODE_ENV !== "production";
let hashesOfPages: Record<string, string[]> | undefined;

function inlineScriptsOf(page: string): string[] | undefined {
  if (development) return undefined;
  // Written by scripts/assemble.mjs. server.js changes into its own directory first.
  hashesOfPages ??= JSON.parse(readFileSync(join(process.cwd(), "csp-hashes.json"), "utf8")) as Record<string, string[]>;
  return hashesOfPages[page];
}

/** Every page passes here: its language is settled and its Content-Security-Policy set. */
export function middleware(request: NextRequest): NextResponse {
  const { pathname, search } = request.nextUrl;
  const locale = negotiate(request.cookies.get(LOCALE_COOKIE)?.value, request.headers.get("accept-language"));
  const hashes = inlineScriptsOf(`/${locale}${pathname === "/" ? "" : pathname}`);
  const policy = hashes ? policyWithHashes(hashes) : policyWithNonce(randomBytes(16).toString("base64"), development);

  const headers = new Headers(request.headers);
  // next.config.mjs puts the language in front of the path. Not NextResponse.rewrite(): its absolute address names
  // "localhost" where the server was told to listen on 127.0.0.1, and Next then takes it for another server's.
  headers.set(LOCALE_HEADER, locale);
  headers.set(PATH_HEADER, pathname + search);
  // Next reads the nonce out of the request's policy and gives it to the scripts that it writes.
  headers.set("content-security-policy", policy);
  if (!headers.has("x-request-id")) headers.set("x-request-id", randomUUID());

  const response = NextResponse.next({ request: { headers } });
  response.headers.set("content-security-policy", policy);
  // One address, two languages: no shared cache may keep it, and browsers ask each time (304 while nothing changed).
  // A Vary of ours would not arrive, Next sets its own over it.
  // Not no-cache: Next takes our answer's headers for the request's as well, and would never answer 304.
  if (hashes) response.headers.set("cache-control", "private, max-age=0, must-revalidate");
  if (leavesSession(request.nextUrl, request.headers)) response.cookies.set(SESSION_COOKIE, "", { ...SESSION_COOKIE_OPTIONS, maxAge: 0 });
  return response;
}

export const config = {
  runtime: "nodejs",
  // Not the handlers below /api: an upload that passed here would be kept in memory. Not files either.
  matcher: ["/((?!api/|_next/|icon\\.svg$|robots\\.txt$).*)"],
};
