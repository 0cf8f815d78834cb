import { expect, test } from "vitest";
import { percent, size, span } from "@/lib/format";

test.each([
  [0, "0 bytes"],
  [1, "1 byte"],
  [1536, "1.5 kB"],
  [20 * 1024 * 1024, "20 MB"],
  [5 * 1024 ** 4, "5 TB"],
  [9000 * 1024 ** 4, "9,000 TB"],
])("%d bytes are %s", (bytes, text) => {
  expect(size(bytes, "en")).toBe(text);
});

test("a share of right answers is whole percents", () => {
  expect(percent(2 / 3, "en")).toBe("67%");
  expect(percent(2 / 3, "fr")).toMatch(/^67\s%$/u);
});

test.each([
  [5, "5 sec"],
  [119, "119 sec"],
  [120, "2 min"],
  [7200, "2 hr"],
])("%d seconds are %s", (seconds, text) => {
  expect(span(seconds, "en")).toBe(text);
});
