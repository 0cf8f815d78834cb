import { expect, test } from "vitest";
import { safePath } from "@/lib/safe-path";

// Why: a login link that leads to a look-alike afterwards is how passwords are stolen.
test.each(["//evil.example", "/\\evil.example", "/\t/evil.example", "/a\\b", "https://evil.example", "javascript:alert(1)", "documents", "", "/api/bff/status", null])(
  "%o is not where a login leads",
  (wanted) => {
    expect(safePath(wanted, "/documents")).toBe("/documents");
  },
);

test.each(["/documents?q=a%20b", "/join/a-B_1", "/"])("%o is", (wanted) => {
  expect(safePath(wanted, "/documents")).toBe(wanted);
});
