// @vitest-environment jsdom
import { act, renderHook } from "@testing-library/react";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { useTask } from "@/lib/client/use-task";

const ID = "0b0e7a3e-9d5e-4a52-8f0e-111111111111";

/** jsdom has none. This one does what the standard says of an answer that is no stream, or that ends: an event `error`. */
class Stream extends EventTarget {
  static last: Stream;
  closed = false;
  constructor(readonly url: string) {
    super();
    Stream.last = this;
  }
  close() {
    this.closed = true;
  }
}

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal("EventSource", Stream);
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

describe("a task whose stream is refused or ends early", () => {
  // Why: the ninth tab gets 429, and a deploy ends all streams; people must see the end of their task all the same.
  test("is asked for until it is over", async () => {
    const states = ["STARTED", "SUCCESS"];
    const answer = async () => new Response(JSON.stringify({ id: ID, state: states.shift(), progress: 1 }));
    const fetch = vi.spyOn(globalThis, "fetch").mockImplementation(answer);
    const done = vi.fn();
    const { result } = renderHook(() => useTask(ID, done));
    expect(Stream.last.url).toBe(`/api/bff/tasks/${ID}/events`);
    act(() => void Stream.last.dispatchEvent(new Event("error")));
    expect(Stream.last.closed).toBe(true);
    await act(() => vi.advanceTimersByTimeAsync(2100));
    expect(result.current.task?.state).toBe("STARTED");
    await act(() => vi.advanceTimersByTimeAsync(60_000));
    expect(done).toHaveBeenCalledExactlyOnceWith(expect.objectContaining({ state: "SUCCESS" }));
    expect(fetch.mock.calls.map(([url]) => url)).toEqual([`/api/bff/tasks/${ID}`, `/api/bff/tasks/${ID}`]);
    expect(result.current.problem).toBeUndefined();
  });
});
