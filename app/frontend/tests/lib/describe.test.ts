import { describe as suite, expect, test } from "vitest";
import { describe, explain } from "@/lib/describe";
import { Problem } from "@/lib/problem";
import { words } from "@/words/server";

const t = words("en");
const unexpected = t("trouble.unexpected");

suite("a problem", () => {
  // Why: "error 503" helps nobody; each of these has something that a person can do.
  test.each([0, 400, 401, 403, 404, 409, 413, 415, 422, 429, 502, 503, 504])("of status %d has a sentence of its own", (status) => {
    expect(describe(new Problem(status), t)).not.toBe(unexpected);
  });

  test("that nobody foresaw still says what to do", () => {
    expect(describe(new Problem(500), t)).toBe(unexpected);
    expect(describe(new Problem(418), t)).toBe(unexpected);
  });

  test("of too many tries names the seconds", () => {
    expect(describe(new Problem(429, { retryAfter: 1 }), t)).toContain("1 second.");
    expect(describe(new Problem(429, { retryAfter: 42 }), t)).toContain("42 seconds.");
  });

  test("can mean something more exact at one place", () => {
    expect(describe(new Problem(401), t, { 401: "login.wrong" })).toBe(t("login.wrong"));
  });

  test("that the backend explains is explained in the person's language", () => {
    const detail = "no text was found in it (a scan? then it needs text recognition first)";
    expect(describe(new Problem(422, { detail }), words("fr"))).toBe(words("fr")("known.noText"));
  });
});

suite("what the backend says", () => {
  test.each([
    ["the text is too short for a quiz: it needs at least one full sentence of six words or more", "known.tooShort"],
    ["this PDF is damaged, or needs too much time or memory to read", "known.damaged"],
    ["reading this PDF took more than 20 s; simplify or split it", "known.slow"],
    ["it holds more than 2,000,000 characters of text; split it", "known.longText"],
    ["the file is empty", "known.emptyFile"],
    ["the generator failed; the log has the details", "known.failed"],
  ] as const)("%o is known", (sentence, key) => {
    expect(explain(sentence, t)).toBe(t(key));
  });

  test("keeps its numbers", () => {
    expect(explain("the text gave 4 questions instead of 10", t)).toBe("The text gave 4 questions instead of 10.");
  });

  test("is left to the caller when it is new", () => {
    expect(explain("something else", t)).toBeUndefined();
  });
});
