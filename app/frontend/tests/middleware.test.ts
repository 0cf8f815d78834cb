// @vitest-environment node
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { NextRequest } from "next/server";
import { beforeEach, describe, expect, test, vi } from "vitest";

const HASHES = { "/fr": ["'sha256-fr'"], "/en": ["'sha256-en'"] };

/** The middleware as in production, beside the hashes of the prerendered pages. */
async function load() {
  const directory = mkdtempSync(join(tmpdir(), "aiko-"));
  writeFileSync(join(directory, "csp-hashes.json"), JSON.stringify(HASHES));
  vi.stubEnv("NODE_ENV", "production");
  vi.spyOn(process, "cwd").mockReturnValue(directory);
  vi.resetModules();
  return await import("@/middleware");
}

function asked(path: string, headers: Record<string, string> = {}): NextRequest {
  return new NextRequest(`https://aiko.example.com${path}`, { headers });
}

/** What the middleware makes of the request's own headers. */
function passedOn(response: Response, name: string): string | null {
  return response.headers.get(`x-middleware-request-${name}`);
}

describe("a page's language", () => {
  let middleware: (request: NextRequest) => Response;
  beforeEach(async () => {
    ({ middleware } = await load());
  });

  test.each([
    [{ "accept-language": "en-GB,en;q=0.9" }, "en"],
    [{ "accept-language": "en", cookie: "aiko-locale=fr" }, "fr"],
    [{ cookie: "aiko-locale=en" }, "en"],
    [{}, "fr"],
    // Nobody chooses it by sending our own header.
    [{ "x-aiko-locale": "en" }, "fr"],
  ])("%o: %s", (headers: Record<string, string>, locale) => {
    expect(passedOn(middleware(asked("/documents", headers)), "x-aiko-locale")).toBe(locale);
  });
});

describe("a page's policy", () => {
  let middleware: (request: NextRequest) => Response;
  beforeEach(async () => {
    ({ middleware } = await load());
  });

  test("of a prerendered page has that page's hashes, and no cache shares it", () => {
    const response = middleware(asked("/", { "accept-language": "en" }));
    expect(response.headers.get("content-security-policy")).toContain("'sha256-en'");
    expect(response.headers.get("cache-control")).toBe("private, max-age=0, must-revalidate");
  });

  test("of any other page has a nonce that differs each time and that Next is told", () => {
    const [one, two] = [middleware(asked("/login")), middleware(asked("/login"))];
    const nonce = (response: Response) => /'nonce-([^']{20,})'/.exec(response.headers.get("content-security-policy") ?? "")?.[1];
    expect(nonce(one)).toBeTruthy();
    expect(nonce(one)).not.toBe(nonce(two));
    expect(passedOn(one, "content-security-policy")).toBe(one.headers.get("content-security-policy"));
  });

  test("cannot be brought along by the request", () => {
    const response = middleware(asked("/login", { "content-security-policy": "script-src 'nonce-mine'" }));
    expect(passedOn(response, "content-security-policy")).not.toContain("mine");
  });
});

describe("the login page", () => {
  const cleared = (response: Response) => (response.headers.get("set-cookie") ?? "").includes("__Host-aiko-session=;");

  test("drops the cookie of a session that a page found ended", async () => {
    const { middleware } = await load();
    expect(cleared(middleware(asked("/login?ended=1&next=%2Fdocuments", { "sec-fetch-site": "same-origin" })))).toBe(true);
    expect(cleared(middleware(asked("/login?next=%2Fdocuments")))).toBe(false);
    expect(cleared(middleware(asked("/documents?ended=1")))).toBe(false);
  });

  // Why: a link on another site must not log anybody out.
  test("does not when another site leads there", async () => {
    const { middleware } = await load();
    expect(cleared(middleware(asked("/login?ended=1", { "sec-fetch-site": "cross-site" })))).toBe(false);
  });
});

test("uploads, files and handlers do not pass the middleware", async () => {
  const { config } = await load();
  const matcher = new RegExp(`^${config.matcher[0]}$`);
  for (const path of ["/api/bff/documents", "/_next/static/a.js", "/icon.svg", "/robots.txt"]) expect(matcher.test(path), path).toBe(false);
  for (const path of ["/", "/documents", "/apian", "/join/a_B"]) expect(matcher.test(path), path).toBe(true);
});
