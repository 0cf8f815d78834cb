// @vitest-environment jsdom
import { act, renderHook } from "@testing-library/react";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";

const CLAIRE = { id: "1", name: "Claire", email: "c@example.com", role: "teacher" };
const found = () => new Response(JSON.stringify({ user: CLAIRE }));
const limited = (after?: string) => new Response("{}", { status: 429, headers: after ? { "retry-after": after } : {} });

/** A page that has just been loaded: what was asked before is forgotten. */
async function page() {
  vi.resetModules();
  const { useUser } = await import("@/lib/client/use-user");
  return renderHook(() => useUser()).result;
}
const after = (ms: number) => act(() => vi.advanceTimersByTimeAsync(ms));

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe("who reads the home page", () => {
  // Why: a class behind one address reaches the limit together, and each would see a page that seems to have logged them out.
  test("is asked again after a limit, when the server has said so", async () => {
    const fetch = vi.spyOn(globalThis, "fetch").mockResolvedValueOnce(limited("3")).mockResolvedValueOnce(found());
    const user = await page();
    await after(2900);
    expect(fetch).toHaveBeenCalledTimes(1);
    await after(200);
    expect(user.current).toEqual(CLAIRE);
  });

  test("is asked again when the network was away for a moment", async () => {
    vi.spyOn(globalThis, "fetch").mockRejectedValueOnce(new TypeError("Failed to fetch")).mockResolvedValueOnce(found());
    const user = await page();
    await after(1100);
    expect(user.current).toEqual(CLAIRE);
  });

  test("is nobody after the third try", async () => {
    const fetch = vi.spyOn(globalThis, "fetch").mockImplementation(async () => limited());
    const user = await page();
    await after(60_000);
    expect(fetch).toHaveBeenCalledTimes(3);
    expect(user.current).toBeNull();
  });

  test.each([
    ["the server has failed", () => new Response("", { status: 500 })],
    ["it would take too long", () => limited("3600")],
  ])("is nobody at once when %s", async (_, answer) => {
    const fetch = vi.spyOn(globalThis, "fetch").mockImplementation(async () => answer());
    const user = await page();
    await after(4_000_000);
    expect(fetch).toHaveBeenCalledTimes(1);
    expect(user.current).toBeNull();
  });
});
