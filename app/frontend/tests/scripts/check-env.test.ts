// @vitest-environment node
import { spawnSync } from "node:child_process";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";

const SCRIPT = fileURLToPath(new URL("../../scripts/check-env.mjs", import.meta.url));
const secret = "s".repeat(32);

function check(when: string, env: Record<string, string> = {}) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [SCRIPT, when], { env: { NODE_ENV: "production", ...env }, encoding: "utf8" });
  return { status, said: stdout + stderr };
}

function file(content: string, name = "secret"): { directory: string; path: string } {
  const directory = mkdtempSync(join(tmpdir(), "aiko-"));
  const path = join(directory, name);
  writeFileSync(path, content);
  return { directory, path };
}

describe("before a build", () => {
  test("a missing variable is named, with what is expected and the remedy", () => {
    const { status, said } = check("build");
    expect(status).toBe(1);
    expect(said).toMatch(/^NEXT_PUBLIC_API_URL is missing\. Expected: .*https:\/\/aiko\.example\.com\/api\. Remedy: set NEXT_PUBLIC_API_URL/);
    expect(said).not.toContain("NEXTAUTH_SECRET");
  });

  test.each(["aiko.example.com/api", "/api", "ftp://aiko.example.com", "https://u:p@aiko.example.com"])("%o is no URL of an API", (url) => {
    expect(check("build", { NEXT_PUBLIC_API_URL: url })).toMatchObject({ status: 1, said: expect.stringContaining("NEXT_PUBLIC_API_URL") });
  });

  test("every bad variable is named at once", () => {
    const { said } = check("build", { AIKO_CACHE_DIR: "cache" });
    expect(said).toContain("NEXT_PUBLIC_API_URL is missing");
    expect(said).toContain("AIKO_CACHE_DIR is not usable");
  });

  test("good ones pass in silence", () => {
    expect(check("build", { NEXT_PUBLIC_API_URL: "https://aiko.example.com/api" })).toEqual({ status: 0, said: "" });
  });
});

describe("before a start", () => {
  test("a short secret is named and not shown", () => {
    const { status, said } = check("run", { NEXTAUTH_SECRET: "shortsecret" });
    expect(status).toBe(1);
    expect(said).toContain("NEXTAUTH_SECRET is not usable. Expected: a random text of 32 characters or more.");
    expect(said).not.toContain("shortsecret");
  });

  test("the rest has defaults", () => {
    expect(check("run", { NEXTAUTH_SECRET: secret })).toEqual({ status: 0, said: "" });
  });

  test.each([
    ["BACKEND_URL", "backend:5000"],
    ["MAX_UPLOAD_MB", "20m"],
    ["RELEASE", "a b"],
  ])("%s=%s is refused", (name, value) => {
    expect(check("run", { NEXTAUTH_SECRET: secret, [name]: value })).toMatchObject({ status: 1, said: expect.stringContaining(name) });
  });

  test("a value may come from a file, or from systemd's credentials", () => {
    const named = file(`${secret}\n`);
    expect(check("run", { NEXTAUTH_SECRET_FILE: named.path }).status).toBe(0);
    const credential = file(secret, "NEXTAUTH_SECRET");
    expect(check("run", { CREDENTIALS_DIRECTORY: credential.directory }).status).toBe(0);
    expect(check("run", { CREDENTIALS_DIRECTORY: named.directory }).status).toBe(1);
  });

  test("a file that cannot be read is named by its variable", () => {
    expect(check("run", { NEXTAUTH_SECRET_FILE: "/nonexistent" })).toMatchObject({
      status: 1,
      said: expect.stringContaining("the file named by NEXTAUTH_SECRET_FILE cannot be read"),
    });
  });
});

test("another stage is an error of usage", () => {
  expect(check("deploy").status).toBe(2);
});
