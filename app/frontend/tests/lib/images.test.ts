// @vitest-environment node
import type { IncomingMessage } from "node:http";
import type { NextConfigComplete } from "next/dist/server/config-shared";
import { ImageOptimizerCache } from "next/dist/server/image-optimizer";
import { imageConfigDefault } from "next/dist/shared/lib/image-config";
import { expect, test } from "vitest";
import config from "@/next.config.mjs";

const MEDIA = "/_next/static/media/notebook.808579e6.webp";

/** Next's own judgement of a request for a picture. */
function refusal(url: string, w: string, q: string): string | undefined {
  const images = { ...imageConfigDefault, ...config.images };
  const request = { headers: { accept: "image/webp" } } as IncomingMessage;
  const judged = ImageOptimizerCache.validateParams(request, { url, w, q }, { ...config, images } as NextConfigComplete, false);
  return "errorMessage" in judged ? judged.errorMessage : undefined;
}

test("a picture of ours is made at the sizes and the quality that pages ask for", () => {
  for (const w of ["96", "480", "1600"]) expect(refusal(MEDIA, w, "75")).toBeUndefined();
});

// Why: each kind is work and a place on the disk, and anybody can ask for them.
test.each([
  [MEDIA, "480", "74"],
  [MEDIA, "480", "100"],
  [MEDIA, "481", "75"],
  ["/icon.svg", "480", "75"],
  ["https://example.com/x.png", "480", "75"],
])("%s at width %s and quality %s is refused", (url, w, q) => {
  expect(refusal(url, w, q)).toBeTruthy();
});
