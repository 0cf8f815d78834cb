import { describe, expect, test } from "vitest";
import { sameOrigin } from "@/lib/server/same-origin";

const from = (headers: Record<string, string>) => sameOrigin(new Headers({ host: "127.0.0.1:3000", ...headers }));
const forwarded = { "x-forwarded-host": "aiko.example.com" };

describe("a request that changes something", () => {
  test("is ours when the browser says so", () => {
    expect(from({ ...forwarded, origin: "https://aiko.example.com", "sec-fetch-site": "same-origin" })).toBe(true);
    expect(from({ ...forwarded, origin: "https://aiko.example.com" })).toBe(true);
    expect(from({ ...forwarded, "sec-fetch-site": "same-origin" })).toBe(true);
    expect(from({ origin: "http://127.0.0.1:3000" })).toBe(true);
  });

  // Why: each of these is a way in which another site makes a browser that is logged in act on its behalf.
  test.each([
    ["another site", { ...forwarded, origin: "https://evil.example", "sec-fetch-site": "cross-site" }],
    ["another site in an old browser", { ...forwarded, origin: "https://evil.example" }],
    ["a neighbour of the same domain", { ...forwarded, origin: "https://blog.example.com", "sec-fetch-site": "same-site" }],
    ["a neighbour that claims our Origin's host at another port", { ...forwarded, origin: "https://aiko.example.com:8443", "sec-fetch-site": "same-site" }],
    ["another port", { origin: "http://127.0.0.1:4000" }],
    ["a sandboxed frame", { ...forwarded, origin: "null" }],
    ["a look-alike", { ...forwarded, origin: "https://aiko.example.com.evil.example" }],
    ["a typed address", { ...forwarded, "sec-fetch-site": "none" }],
    ["no browser at all", forwarded],
    ["an Origin that is none", { ...forwarded, origin: "aiko.example.com" }],
  ])("is refused from %s", (_, headers) => {
    expect(from(headers)).toBe(false);
  });

  test("is ours on an unusual port, though the proxy passes on the host without it", () => {
    expect(from({ ...forwarded, origin: "https://aiko.example.com:8443", "sec-fetch-site": "same-origin" })).toBe(true);
  });
});
