// @vitest-environment node
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { GET } from "@/app/api/bff/tasks/[id]/events/route";
import { openSession } from "@/lib/server/session";
import { openStream, type OpenStream } from "@/lib/server/open-streams";
import { pollMs, taskEvents } from "@/lib/server/task-events";
import { json, startBackend } from "../support/backend";
import { emptyJar } from "../support/next-headers";

const ID = "0b0e7a3e-9d5e-4a52-8f0e-111111111111";
const CLAIRE = { id: "1", name: "Claire", email: "c@example.com", role: "teacher" } as const;
const at = (id: string) => ({ params: Promise.resolve({ id }) });
const request = (signal?: AbortSignal) => new Request(`http://aiko.test/api/bff/tasks/${ID}/events`, { signal });
const task = (state: string, progress: number) => ({ id: ID, state, progress });

const place = () => openStream("1") as OpenStream;
const quick = (asked = request()) => taskEvents(ID, "t", asked, place(), () => 5);

function events(text: string): { event: string; data: unknown }[] {
  return [...text.matchAll(/event: (\w+)\ndata: (.*)\n\n/g)].map(([, event = "", data = ""]) => ({ event, data: JSON.parse(data) as unknown }));
}

/** A backend that tells these states one after the other, and the last one for ever. */
function tells(...states: unknown[]) {
  let n = 0;
  return startBackend((_, response) => json(response, 200, states[Math.min(n++, states.length - 1)]));
}

beforeEach(async () => {
  emptyJar();
  vi.stubEnv("NEXTAUTH_SECRET", "s".repeat(32));
  await openSession("secret-token", CLAIRE, 3600);
});

describe("the events of a task", () => {
  test("tell each change once and end with the last", async () => {
    await tells(task("PENDING", 0), task("STARTED", 0.5), task("STARTED", 0.5), task("SUCCESS", 1));
    const text = await new Response(quick()).text();
    expect(events(text).map(({ data }) => data)).toEqual([task("PENDING", 0), task("STARTED", 0.5), task("SUCCESS", 1)]);
  });

  test("are sent in a way that no proxy holds back", async () => {
    const { seen } = await tells(task("FAILURE", 1));
    const response = await GET(request(), at(ID));
    expect(response.headers.get("content-type")).toBe("text/event-stream");
    expect(response.headers.get("cache-control")).toContain("no-cache");
    expect(response.headers.get("x-accel-buffering")).toBe("no");
    expect(events(await response.text())).toHaveLength(1);
    expect(seen[0]?.headers.authorization).toBe("Bearer secret-token");
  });

  test.each([401, 404, 503])("end with a problem when the backend says %d", async (status) => {
    await startBackend((_, response) => json(response, status, { detail: "why" }));
    const [last] = events(await new Response(quick()).text());
    expect(last).toMatchObject({ event: "problem", data: { status, detail: "why" } });
  });

  // Why: a page that was closed must not be asked for until the task ends; with many, that is the backend's load.
  test.each([
    ["its request is aborted", (gone: AbortController) => gone.abort()],
    ["nobody reads any more", (_: AbortController, reader: ReadableStreamDefaultReader) => void reader.cancel()],
  ])("stop when %s", async (_, leave) => {
    const { seen } = await tells(task("STARTED", 0.1));
    const gone = new AbortController();
    const reader = quick(request(gone.signal)).getReader();
    await vi.waitFor(() => expect(seen.length).toBeGreaterThan(2));
    leave(gone, reader);
    await vi.waitFor(async () => {
      const before = seen.length;
      await new Promise((resolve) => setTimeout(resolve, 50));
      expect(seen.length).toBe(before);
    });
  });

  // Why: most tasks take seconds; those that take minutes must not cost the backend two questions a second each.
  test("are asked for less often after a while", async () => {
    expect([0, 9_999, 10_000, 60_000].map(pollMs)).toEqual([500, 500, 1000, 1000]);
    await tells(task("STARTED", 0), task("STARTED", 0.5), task("SUCCESS", 1));
    const elapsed: number[] = [];
    const wait = (ms: number) => (elapsed.push(ms), 30);
    await new Response(taskEvents(ID, "t", request(), place(), wait)).text();
    expect(elapsed).toHaveLength(2);
    expect(elapsed[1]).toBeGreaterThanOrEqual(25);
  });

  test("are nobody else's", async () => {
    emptyJar();
    expect((await GET(request(), at(ID))).status).toBe(401);
    expect((await GET(request(), at("../auth/me"))).status).toBe(404);
  });
});

describe("the open streams of a person", () => {
  const bodies: ReadableStream[] = [];
  const open = async () => {
    const response = await GET(request(), at(ID));
    if (response.ok && response.body) bodies.push(response.body);
    return response;
  };
  afterEach(() => Promise.all(bodies.splice(0).map((body) => body.cancel())));

  // Why: each one asks the backend again and again; one account could keep it busy.
  test("are bounded, each person's alone, and a closed one makes room", async () => {
    await tells(task("STARTED", 0.1));
    for (let n = 0; n < 8; n++) expect((await open()).status).toBe(200);
    const refused = await open();
    expect(refused.status).toBe(429);
    expect(refused.headers.get("content-type")).toBe("application/problem+json");
    expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(0);
    expect(await refused.json()).toMatchObject({ status: 429, title: "Too Many Requests" });
    const other = openStream("2") as OpenStream;
    expect(other.ended.aborted).toBe(false);
    other.close();
    await bodies.pop()?.cancel();
    await vi.waitFor(async () => expect((await open()).status).toBe(200));
  });

  test("make room when their tasks end or fail", async () => {
    await tells(task("SUCCESS", 1));
    for (let n = 0; n < 9; n++) await (await GET(request(), at(ID))).text();
    await startBackend((_, response) => json(response, 404, {}));
    for (let n = 0; n < 9; n++) await (await GET(request(), at(ID))).text();
    expect((await GET(request(), at(ID))).status).toBe(200);
  });

  // Why: the old server of a deploy stays until its last answer is over, and a stream's can take ten minutes.
  test("end at once when the server is told to stop, and no new ones begin", async () => {
    // Of its own, since what was told to stop stays so.
    vi.resetModules();
    const { GET: fresh } = await import("@/app/api/bff/tasks/[id]/events/route");
    await (await import("@/lib/server/session")).openSession("secret-token", CLAIRE, 3600);
    const before = process.listenerCount("SIGTERM");
    await tells(task("STARTED", 0.1));
    const texts = [await fresh(request(), at(ID)), await fresh(request(), at(ID))].map((response) => response.text());
    expect(process.listenerCount("SIGTERM")).toBe(before + 1);
    process.emit("SIGTERM");
    for (const text of await Promise.all(texts)) expect(events(text).every(({ event }) => event === "task")).toBe(true);
    const late = await fresh(request(), at(ID));
    expect(late.status).toBe(503);
    expect(late.headers.get("retry-after")).toBeTruthy();
  });
});
