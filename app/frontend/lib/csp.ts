import { createHash } from "node:crypto";
import { THEME_SCRIPT } from "@/lib/theme";

const THEME_HASH = `'sha256-${createHash("sha256").update(THEME_SCRIPT).digest("base64")}'`;

function policy(scripts: string[], development: boolean): string {
  return [
    "default-src 'self'",
    // React in development wants eval for its error messages.
    `script-src ${[...scripts, ...(development ? ["'unsafe-eval'"] : [])].join(" ")}`,
    // next/image and widths of progress bars are style attributes.
    "style-src 'self' 'unsafe-inline'",
    "img-src 'self' data: blob:",
    `connect-src 'self'${development ? " ws:" : ""}`,
    "font-src 'self'",
    "object-src 'none'",
    "base-uri 'self'",
    "form-action 'self'",
    "frame-ancestors 'none'",
  ].join("; ");
}

/** For a page made for this request: only scripts that carry its nonce run, and what those load. */
export function policyWithNonce(nonce: string, development = false): string {
  return policy([`'nonce-${nonce}'`, "'strict-dynamic'", THEME_HASH], development);
}

/** For a page made at build time: its inline scripts by their hashes, and files of our own. */
export function policyWithHashes(hashes: readonly string[]): string {
  return policy(["'self'", ...hashes], false);
}
