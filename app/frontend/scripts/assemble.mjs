// Makes .next/standalone complete after `next build`: it can be moved anywhere, made read-only, and started with
// `node server.js`.
import { createHash } from "node:crypto";
import { cp, readFile, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/**
 * CSP sources of the inline scripts of a page. A prerendered page cannot carry a nonce, which must differ each time.
 * @param {string} html
 */
export function inlineScriptHashes(html) {
  const bodies = [...html.matchAll(/<script(?![^>]*\ssrc=)[^>]*>([\s\S]*?)<\/script>/g)].map((match) => match[1] ?? "");
  const hashes = bodies.map((body) => `'sha256-${createHash("sha256").update(body).digest("base64")}'`);
  return [...new Set(hashes)];
}

/** @param {string} root */
async function hashesOfPages(root) {
  const pages = join(root, ".next/server/app");
  const files = (await readdir(pages)).filter((name) => name.endsWith(".html") && !name.startsWith("_"));
  const entries = files.sort().map(async (name) => {
    const html = await readFile(join(pages, name), "utf8");
    return [`/${name.slice(0, -".html".length)}`, inlineScriptHashes(html)];
  });
  return Object.fromEntries(await Promise.all(entries));
}

/** @param {string} root */
export async function assemble(root) {
  const target = join(root, ".next/standalone");
  await cp(join(root, "public"), join(target, "public"), { recursive: true });
  await cp(join(root, ".next/static"), join(target, ".next/static"), { recursive: true });
  for (const name of ["check-env.mjs", "settings.mjs"]) {
    await cp(join(root, "scripts", name), join(target, "scripts", name));
  }
  const hashes = await hashesOfPages(root);
  if (!Object.keys(hashes).length) throw new Error("no prerendered page was found: has Next's output moved?");
  await writeFile(join(target, "csp-hashes.json"), `${JSON.stringify(hashes, null, 2)}\n`);
  await rm(join(target, ".next/cache"), { recursive: true, force: true });
  if (process.env.AIKO_CACHE_DIR) await symlink(process.env.AIKO_CACHE_DIR, join(target, ".next/cache"));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await assemble(fileURLToPath(new URL("..", import.meta.url)));
