// @vitest-environment node
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createHash } from "node:crypto";
import { beforeEach, describe, expect, test, vi } from "vitest";
import { assemble, inlineScriptHashes } from "@/scripts/assemble.mjs";

const hash = (text: string) => `'sha256-${createHash("sha256").update(text).digest("base64")}'`;

describe("the hashes of a page", () => {
  test("are those of its inline scripts, each once", () => {
    const html = '<script>a()</script><script src="/x.js" async=""></script><script id="y">b("é")</script><script>a()</script>';
    expect(inlineScriptHashes(html)).toEqual([hash("a()"), hash('b("é")')]);
  });

  test("count every character, also line ends", () => {
    expect(inlineScriptHashes("<script>\n a()\n</script>")).toEqual([hash("\n a()\n")]);
  });
});

describe("the assembled tree", () => {
  let root: string;
  const put = (path: string, text = "") => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  };
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), "aiko-"));
    put("public/robots.txt");
    put(".next/static/chunks/a.js");
    put(".next/standalone/server.js");
    put(".next/standalone/.next/cache/images/x");
    put("scripts/check-env.mjs");
    put("scripts/settings.mjs");
    put(".next/server/app/fr.html", "<script>a()</script>");
    put(".next/server/app/_not-found.html", "<script>b()</script>");
  });

  test("has what the server serves, and the hashes by path", async () => {
    await assemble(root);
    const at = (path: string) => join(root, ".next/standalone", path);
    for (const path of ["public/robots.txt", ".next/static/chunks/a.js", "scripts/check-env.mjs"]) expect(existsSync(at(path)), path).toBe(true);
    expect(JSON.parse(readFileSync(at("csp-hashes.json"), "utf8"))).toEqual({ "/fr": [hash("a()")] });
    expect(existsSync(at(".next/cache"))).toBe(false);
  });

  test("keeps its images in the directory that the build was told", async () => {
    vi.stubEnv("AIKO_CACHE_DIR", "/var/cache/aiko-frontend");
    await assemble(root);
    expect(readlinkSync(join(root, ".next/standalone/.next/cache"))).toBe("/var/cache/aiko-frontend");
  });

  // Why: without hashes the home page would come up dead, and no test of the server alone would see it.
  test("is not made when no prerendered page is found", async () => {
    put(".next/server/app/fr.html.gone");
    const { rmSync } = await import("node:fs");
    rmSync(join(root, ".next/server/app/fr.html"));
    await expect(assemble(root)).rejects.toThrow("no prerendered page");
  });
});
