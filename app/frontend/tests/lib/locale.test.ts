import { describe, expect, test } from "vitest";
import { negotiate } from "@/lib/locale";

describe("the language of a page", () => {
  // Why: the first thing a person sees is whether the page speaks to them.
  test.each([
    ["en-GB,en;q=0.9,fr;q=0.8", "en"],
    ["fr-CA,fr;q=0.9,en;q=0.8", "fr"],
    ["de-DE,de;q=0.9,en;q=0.4,fr;q=0.3", "en"],
    ["en;q=0.2, fr;q=0.7", "fr"],
    ["EN", "en"],
    ["en;q=0, de", "fr"],
    ["de", "fr"],
    ["*", "fr"],
    ["", "fr"],
    ["en;q=high", "en"],
  ])("Accept-Language %o gives %s", (header, expected) => {
    expect(negotiate(undefined, header)).toBe(expected);
  });

  test("a choice made before wins over the browser, and nonsense in its place does not", () => {
    expect(negotiate("en", "fr")).toBe("en");
    expect(negotiate("xx", "fr")).toBe("fr");
    expect(negotiate("../en", null)).toBe("fr");
  });
});
