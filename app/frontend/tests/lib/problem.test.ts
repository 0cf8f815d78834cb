import { expect, test } from "vitest";
import { parseProblem } from "@/lib/problem";

const none = () => null;

test("a problem document is read", () => {
  const text = JSON.stringify({ detail: "email: bad", errors: [{ at: "email", problem: "bad" }] });
  const header = (name: string) => ({ "retry-after": "7", "x-request-id": "abc" })[name] ?? null;
  expect(parseProblem(422, text, header)).toMatchObject({
    status: 422,
    detail: "email: bad",
    fields: [{ at: "email", problem: "bad" }],
    retryAfter: 7,
    requestId: "abc",
  });
});

// Why: between us and the backend stand proxies with pages of their own, and a page must never break the page.
test.each(["<html>413 Request Entity Too Large</html>", "", "null", "[]", '"text"', '{"detail": 5, "errors": "x"}'])(
  "the body %o leaves the status to speak",
  (text) => {
    expect(parseProblem(413, text, none)).toMatchObject({ status: 413, detail: "", fields: [], retryAfter: undefined });
  },
);

test("a Retry-After that is a date is not shown as seconds", () => {
  expect(parseProblem(503, "", () => "Wed, 21 Oct 2026 07:28:00 GMT").retryAfter).toBeUndefined();
});
