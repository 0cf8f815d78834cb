// @vitest-environment node
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { beforeEach, describe, expect, test, vi } from "vitest";
import { DELETE, GET, POST } from "@/app/api/bff/[...path]/route";
import { refusal } from "@/lib/server/bff-routes";
import { openSession } from "@/lib/server/session";
import { deadBackend, json, startBackend } from "../support/backend";
import { emptyJar, jar } from "../support/next-headers";
import { ask, CROSS } from "../support/requests";

const ID = "0b0e7a3e-9d5e-4a52-8f0e-111111111111";
const at = (path: string) => ({ params: Promise.resolve({ path: path.split("?")[0]?.split("/") ?? [] }) });
const get = (path: string, headers = {}) => GET(ask("GET", `/api/bff/${path}`, { headers }), at(path));

beforeEach(async () => {
  emptyJar();
  vi.stubEnv("NEXTAUTH_SECRET", "s".repeat(32));
  await openSession("secret-token", { id: "1", name: "Claire", email: "c@example.com", role: "teacher" }, 3600);
});

describe("what pages may reach", () => {
  test.each([
    ["GET", "documents"],
    ["POST", "documents"],
    ["DELETE", `documents/${ID}`],
    ["GET", `documents/${ID}/file`],
    ["POST", `quizzes/${ID}/share`],
    ["POST", `quizzes/${ID}/attempts`],
    ["GET", `quizzes/${ID}/attempts/${ID}`],
    ["GET", `tasks/${ID}`],
    ["GET", "shared/nxF7omQytBcK"],
    ["GET", "overview"],
    ["GET", "status"],
  ])("%s %s", (method, path) => {
    expect(refusal(method, path)).toBeUndefined();
  });

  // Why: whatever the backend has besides is for others: logins would go past our session, metrics are for operators.
  test.each([
    ["POST", "auth/login", 404],
    ["GET", "metrics", 404],
    ["GET", "documents/..", 404],
    ["GET", `documents/${ID}/../../auth/me`, 404],
    ["GET", "documents/1", 404],
    ["GET", "", 404],
    ["DELETE", "documents", 405],
    ["POST", "overview", 405],
    ["GET", `quizzes/${ID}/share`, 405],
  ])("not %s %s", (method, path, status) => {
    expect(refusal(method, path)).toBe(status);
  });
});

describe("a request to the backend", () => {
  test("carries the session's token, the way it came, and no cookie", async () => {
    const { seen } = await startBackend((_, response) => json(response, 200, { items: [] }));
    const headers = { "x-forwarded-for": "192.0.2.7", "x-forwarded-proto": "https", "x-request-id": "request-1234" };
    const response = await get("documents?q=a%20b&page=2", { ...headers, cookie: "a=b", authorization: "Bearer forged" });
    expect(await response.json()).toEqual({ items: [] });
    expect(seen[0]?.url).toBe("/api/documents?q=a%20b&page=2");
    expect(seen[0]?.headers).toMatchObject({ ...headers, authorization: "Bearer secret-token" });
    expect(seen[0]?.headers.cookie).toBeUndefined();
    expect(response.headers.get("cache-control")).toBe("no-store");
  });

  test("is not made without a session", async () => {
    const { seen } = await startBackend((_, response) => json(response, 200, {}));
    emptyJar();
    expect((await get("documents")).status).toBe(401);
    expect(seen).toEqual([]);
  });

  test.each([
    ["POST", POST],
    ["DELETE", DELETE],
  ])("%s is refused to other sites", async (method, handler) => {
    const { seen } = await startBackend((_, response) => json(response, 200, {}));
    const path = method === "POST" ? "quizzes" : `documents/${ID}`;
    expect((await handler(ask(method, `/api/bff/${path}`, { headers: CROSS }), at(path))).status).toBe(403);
    expect(seen).toEqual([]);
  });

  test("that finds the session over clears the cookie", async () => {
    await startBackend((_, response) => json(response, 401, { detail: "the session has ended" }));
    expect((await get("documents")).status).toBe(401);
    expect(jar.size).toBe(0);
  });

  test("that is refused for another reason does not", async () => {
    await startBackend((_, response) => json(response, 404, { detail: "there is no such document of yours" }));
    const response = await get(`documents/${ID}`);
    expect([response.status, await response.json()]).toEqual([404, { detail: "there is no such document of yours" }]);
    expect(jar.size).toBe(1);
  });

  test("whose backend is away is a problem that says so", async () => {
    vi.spyOn(console, "error").mockImplementation(() => undefined);
    await deadBackend();
    const response = await get("documents");
    expect([response.status, response.headers.get("content-type")]).toEqual([502, "application/problem+json"]);
  });

  test("for a file gets it with its name and its own policy", async () => {
    await startBackend((_, response) => {
      response.writeHead(200, {
        "content-type": "text/plain",
        "content-disposition": 'attachment; filename="a.txt"',
        "content-security-policy": "sandbox; default-src 'none'",
        "set-cookie": "a=b",
      });
      response.end("text");
    });
    const response = await get(`documents/${ID}/file`);
    expect(await response.text()).toBe("text");
    expect(response.headers.get("content-disposition")).toContain("attachment");
    expect(response.headers.get("content-security-policy")).toContain("sandbox");
    expect(response.headers.get("set-cookie")).toBeNull();
  });

  test("without content has none", async () => {
    await startBackend((_, response) => response.writeHead(204).end());
    const response = await DELETE(ask("DELETE", `/api/bff/documents/${ID}`), at(`documents/${ID}`));
    expect([response.status, await response.text()]).toEqual([204, ""]);
  });
});

describe("an upload", () => {
  const upload = (body: ReadableStream<Uint8Array>, headers: Record<string, string> = {}) =>
    new Request("http://aiko.test/api/bff/documents", {
      method: "POST",
      headers: { host: "aiko.test", origin: "http://aiko.test", "content-type": "multipart/form-data; boundary=x", ...headers },
      body,
      duplex: "half",
    } as RequestInit);

  // Why: kept here whole, a few teachers with large files would fill the server's memory.
  test("reaches the backend while the browser is still sending", async () => {
    let first: (() => void) | undefined;
    const arrived = new Promise<void>((resolve) => (first = resolve));
    const server = createServer((request, response) => {
      let bytes = 0;
      request.on("data", (part: Buffer) => {
        bytes += part.length;
        first?.();
      });
      request.on("end", () => json(response, 201, { bytes }));
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    vi.stubEnv("BACKEND_URL", `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    const part = new Uint8Array(64 * 1024);
    const body = new ReadableStream<Uint8Array>({
      async start(controller) {
        controller.enqueue(part);
        // Only now, with the first part seen at the other end, comes the second.
        await arrived;
        controller.enqueue(part);
        controller.close();
      },
    });
    const response = await POST(upload(body), at("documents"));
    expect([response.status, await response.json()]).toEqual([201, { bytes: 2 * part.length }]);
    server.close();
  });

  // Why: while the browser goes on sending, the backend's refusal is lost in the broken connection.
  test("that says it is too large is refused before the backend is asked", async () => {
    const { seen } = await startBackend((_, response) => json(response, 201, {}));
    const body = () => new Blob(["x"]).stream() as ReadableStream<Uint8Array>;
    const of = (mib: number) => upload(body(), { "content-length": String(mib * 1024 * 1024 + 1) });
    expect((await POST(of(21), at("documents"))).status).toBe(413);
    vi.stubEnv("MAX_UPLOAD_MB", "5");
    expect((await POST(of(6), at("documents"))).status).toBe(413);
    expect(seen).toEqual([]);
  });

  // Why: the person must read "too large", not "the server does not answer".
  test("that is refused before it is whole still gets the refusal", async () => {
    const server = createServer((_, response) => {
      response.writeHead(413, { "content-type": "application/problem+json", connection: "close" });
      response.end(JSON.stringify({ detail: "the file is larger than 20 MiB" }), () => response.socket?.destroy());
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    vi.stubEnv("BACKEND_URL", `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    let sentParts = 0;
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        if ((sentParts += 1) > 400) controller.close();
        else controller.enqueue(new Uint8Array(64 * 1024));
      },
    });
    const response = await POST(upload(body), at("documents"));
    expect([response.status, await response.json()]).toEqual([413, { detail: "the file is larger than 20 MiB" }]);
    server.close();
  });
});
