import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { policyWithHashes, policyWithNonce } from "@/lib/csp";
import { THEME_SCRIPT } from "@/lib/theme";

const directive = (policy: string, name: string) => policy.split("; ").find((part) => part.startsWith(`${name} `));
const theme = `'sha256-${createHash("sha256").update(THEME_SCRIPT).digest("base64")}'`;

describe.each([
  ["with a nonce", policyWithNonce("abc")],
  ["with hashes", policyWithHashes(["'sha256-x'"])],
])("the policy %s", (_, policy) => {
  // Why: one of these words would let injected markup run scripts after all.
  test("lets no injected script run", () => {
    expect(directive(policy, "script-src")).not.toMatch(/unsafe-inline|unsafe-eval|https?:|\*/);
    expect(policy).toContain("object-src 'none'");
    expect(policy).toContain("base-uri 'self'");
  });

  test("lets no other site frame a page or receive a form", () => {
    expect(policy).toContain("frame-ancestors 'none'");
    expect(policy).toContain("form-action 'self'");
  });
});

test("a page of this request runs what carries its nonce, what that loads, and the theme's script", () => {
  expect(directive(policyWithNonce("abc"), "script-src")).toBe(`script-src 'nonce-abc' 'strict-dynamic' ${theme}`);
});

test("a prerendered page names its scripts; strict-dynamic would forbid the files that its markup names", () => {
  expect(directive(policyWithHashes(["'sha256-x'"]), "script-src")).toBe("script-src 'self' 'sha256-x'");
});
