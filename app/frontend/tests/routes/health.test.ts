// @vitest-environment node
import { expect, test, vi } from "vitest";
import { GET } from "@/app/api/health/route";

const secret = "s".repeat(32);

test("is good with a good configuration, whatever the backend does, and names the release", async () => {
  vi.stubEnv("NEXTAUTH_SECRET", secret);
  vi.stubEnv("BACKEND_URL", "http://127.0.0.1:9");
  vi.stubEnv("RELEASE", "abc123");
  const response = GET();
  expect([response.status, await response.json()]).toEqual([200, { status: "ok", release: "abc123" }]);
});

// Why: a release that cannot keep a session must never get traffic; and the log of a probe must hold no secret.
test.each([
  ["NEXTAUTH_SECRET", ""],
  ["NEXTAUTH_SECRET", "only-short-secret"],
  ["BACKEND_URL", "only-short-host:5000"],
])("is bad with %s=%o, and names the variable but not its value", async (name, value) => {
  vi.stubEnv("NEXTAUTH_SECRET", secret);
  vi.stubEnv(name, value);
  const response = GET();
  const text = await response.text();
  expect(response.status).toBe(503);
  expect(text).toContain(name);
  expect(text).not.toContain("only-short");
});
