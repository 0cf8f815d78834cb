// @vitest-environment node
import { beforeEach, describe, expect, test, vi } from "vitest";
import { GET } from "@/app/api/bff/tasks/[id]/events/route";
import { openSession } from "@/lib/server/session";
import { taskEvents } from "@/lib/server/task-events";
import { json, startBackend } from "../support/backend";
import { emptyJar } from "../support/next-headers";

const ID = "0b0e7a3e-9d5e-4a52-8f0e-111111111111";
const at = (id: string) => ({ params: Promise.resolve({ id }) });
const request = (signal?: AbortSignal) => new Request(`http://aiko.test/api/bff/tasks/${ID}/events`, { signal });
const task = (state: string, progress: number) => ({ id: ID, state, progress });

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
  await openSession("secret-token", { id: "1", name: "Claire", email: "c@example.com", role: "teacher" }, 3600);
});

describe("the events of a task", () => {
  test("tell each change once and end with the last", async () => {
    await tells(task("PENDING", 0), task("STARTED", 0.5), task("STARTED", 0.5), task("SUCCESS", 1));
    const text = await new Response(taskEvents(ID, "t", request(), 5)).text();
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
    const [last] = events(await new Response(taskEvents(ID, "t", request(), 5)).text());
    expect(last).toMatchObject({ event: "problem", data: { status, detail: "why" } });
  });

  // Why: a page that was closed must not be asked for until the task ends; with many, that is the backend's load.
  test.each([
    ["its request is aborted", (gone: AbortController) => gone.abort()],
    ["nobody reads any more", (_: AbortController, reader: ReadableStreamDefaultReader) => void reader.cancel()],
  ])("stop when %s", async (_, leave) => {
    const { seen } = await tells(task("STARTED", 0.1));
    const gone = new AbortController();
    const reader = taskEvents(ID, "t", request(gone.signal), 5).getReader();
    await vi.waitFor(() => expect(seen.length).toBeGreaterThan(2));
    leave(gone, reader);
    await vi.waitFor(async () => {
      const before = seen.length;
      await new Promise((resolve) => setTimeout(resolve, 50));
      expect(seen.length).toBe(before);
    });
  });

  test("are nobody else's", async () => {
    emptyJar();
    expect((await GET(request(), at(ID))).status).toBe(401);
    expect((await GET(request(), at("../auth/me"))).status).toBe(404);
  });
});
