// @vitest-environment node
import { beforeEach, describe, expect, test, vi } from "vitest";
import { DELETE, GET, POST } from "@/app/api/session/route";
import { POST as register } from "@/app/api/session/register/route";
import { deadBackend, json, startBackend } from "../support/backend";
import { emptyJar, jar, sent } from "../support/next-headers";
import { ask, CROSS } from "../support/requests";

const USER = { id: "1", name: "Claire", email: "claire@example.com", role: "teacher", created_at: "2026-01-01T00:00:00Z" };
const TOKEN = { access_token: "secret-token", expires_in: 3600, user: USER };
const CREDENTIALS = { email: "claire@example.com", password: "correct horse" };

const goodBackend = () => startBackend((_, response) => json(response, 200, TOKEN));
const logIn = async () => POST(ask("POST", "/api/session", { body: CREDENTIALS }));

beforeEach(() => {
  emptyJar();
  vi.stubEnv("NEXTAUTH_SECRET", "s".repeat(32));
});

describe("logging in", () => {
  test("keeps the token where no script can read it", async () => {
    await goodBackend();
    const response = await logIn();
    const text = await response.text();
    expect(response.status).toBe(200);
    expect(text).not.toContain("secret-token");
    expect(sent[0]?.options).toMatchObject({ httpOnly: true, sameSite: "lax", path: "/" });
    // Encrypted, not merely signed.
    expect(sent[0]?.value).not.toContain("secret-token");
    expect(Buffer.from(sent[0]?.value ?? "", "base64").toString()).not.toContain("secret-token");
  });

  test("outlives the token, so that who comes back is told that the session ended", async () => {
    await goodBackend();
    await logIn();
    expect(sent[0]?.options.maxAge).toBeGreaterThan(3600);
  });

  test("tells the backend from where, so that its limit counts the person and not this server", async () => {
    const { seen } = await goodBackend();
    const headers = { "x-forwarded-for": "192.0.2.7", "x-forwarded-proto": "https", "x-request-id": "request-1234" };
    await POST(ask("POST", "/api/session", { body: CREDENTIALS, headers }));
    expect(seen[0]).toMatchObject({ method: "POST", url: "/api/auth/login", headers });
    expect(JSON.parse(seen[0]?.body ?? "")).toEqual(CREDENTIALS);
  });

  test("passes the backend's refusals on, with the seconds to wait", async () => {
    await startBackend((_, response) => json(response, 429, { detail: "too many" }, { "retry-after": "42" }));
    const response = await logIn();
    expect([response.status, response.headers.get("retry-after")]).toEqual([429, "42"]);
    expect(sent).toEqual([]);
  });

  test("says 502 when the backend is away, and which request it was", async () => {
    vi.spyOn(console, "error").mockImplementation(() => undefined);
    await deadBackend();
    const response = await POST(ask("POST", "/api/session", { body: CREDENTIALS, headers: { "x-request-id": "request-1234" } }));
    expect([response.status, response.headers.get("x-request-id")]).toEqual([502, "request-1234"]);
    expect(console.error).toHaveBeenCalledWith(expect.stringContaining("ECONNREFUSED"));
  });

  test("is refused to other sites before the backend hears of it", async () => {
    const { seen } = await goodBackend();
    const response = await POST(ask("POST", "/api/session", { body: CREDENTIALS, headers: CROSS }));
    expect(response.status).toBe(403);
    expect(response.headers.get("content-type")).toBe("application/problem+json");
    expect(seen).toEqual([]);
  });

  test("needs a JSON object", async () => {
    const { seen } = await goodBackend();
    expect((await POST(ask("POST", "/api/session", { body: null }))).status).toBe(400);
    expect(seen).toEqual([]);
  });
});

describe("who am I", () => {
  test("nobody, without a session", async () => {
    expect(await (await GET()).json()).toEqual({ user: null });
  });

  test("the person, without the token", async () => {
    await goodBackend();
    await logIn();
    const { id, name, email, role } = USER;
    expect(await (await GET()).json()).toEqual({ user: { id, name, email, role } });
  });

  // Why: after a change of the secret, or with a forged cookie, the page must come up as for a visitor.
  test("nobody, with a cookie that this secret does not open", async () => {
    await goodBackend();
    await logIn();
    vi.stubEnv("NEXTAUTH_SECRET", "t".repeat(32));
    expect(await (await GET()).json()).toEqual({ user: null });
    jar.set(sent[0]?.name ?? "", "forged");
    expect(await (await GET()).json()).toEqual({ user: null });
  });
});

describe("logging out", () => {
  test("ends the session here and at the backend", async () => {
    const { seen } = await goodBackend();
    await logIn();
    expect((await DELETE(ask("DELETE", "/api/session"))).status).toBe(204);
    expect(seen.at(-1)).toMatchObject({ url: "/api/auth/logout", headers: { authorization: "Bearer secret-token" } });
    expect(jar.size).toBe(0);
  });

  test("ends it here even when the backend is away", async () => {
    vi.spyOn(console, "error").mockImplementation(() => undefined);
    await goodBackend();
    await logIn();
    await deadBackend();
    expect((await DELETE(ask("DELETE", "/api/session"))).status).toBe(204);
    expect(jar.size).toBe(0);
  });

  test("is refused to other sites", async () => {
    await goodBackend();
    await logIn();
    expect((await DELETE(ask("DELETE", "/api/session", { headers: CROSS }))).status).toBe(403);
    expect(jar.size).toBe(1);
  });
});

describe("signing up", () => {
  const body = { ...CREDENTIALS, name: "Claire", role: "teacher" };

  test("registers, then logs in", async () => {
    const { seen } = await goodBackend();
    const response = await register(ask("POST", "/api/session/register", { body: { ...body, is_admin: true } }));
    expect(response.status).toBe(201);
    expect(seen.map(({ url }) => url)).toEqual(["/api/auth/register", "/api/auth/login"]);
    // Only what the form has.
    expect(JSON.parse(seen[0]?.body ?? "")).toEqual(body);
    expect(jar.size).toBe(1);
  });

  test("stops at a refusal, and names the fields", async () => {
    const errors = [{ at: "email", problem: "bad" }];
    const { seen } = await startBackend((_, response) => json(response, 422, { detail: "email: bad", errors }));
    const response = await register(ask("POST", "/api/session/register", { body }));
    expect([response.status, await response.json()]).toMatchObject([422, { errors }]);
    expect(seen).toHaveLength(1);
  });
});
