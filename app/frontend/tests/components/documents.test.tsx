// @vitest-environment jsdom
import axe from "axe-core";
import { act, screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { beforeEach, describe, expect, test, vi } from "vitest";
import { DocumentDesk } from "@/components/document-desk";
import type { DocumentItem, Page } from "@/lib/types";
import { show } from "../support/words";

vi.mock("next/link", () => ({
  default: ({ prefetch: _, ...props }: React.ComponentProps<"a"> & { prefetch?: boolean }) => <a {...props} />,
}));

const document_ = (title: string): DocumentItem => ({
  id: `id-${title}`,
  title,
  filename: `${title}.txt`,
  kind: "text",
  size_bytes: 1536,
  created_at: "2026-01-01T00:00:00Z",
  meta: {},
});
const pageOf = (...titles: string[]): Page<DocumentItem> => ({ items: titles.map(document_), total: titles.length, page: 1, per_page: 20 });
const desk = (first = pageOf("Plants", "Rivers")) => show(<DocumentDesk first={first} query="" maxMb={20} />);
const reply = (status: number, body?: unknown) => new Response(body === undefined ? null : JSON.stringify(body), { status });

beforeEach(() => window.history.replaceState(null, "", "/documents"));

describe("searching", () => {
  test("waits for a pause in the typing, and the address follows", async () => {
    const fetch = vi.spyOn(globalThis, "fetch").mockImplementation(async () => reply(200, pageOf("Plants")));
    desk();
    await userEvent.type(screen.getByRole("searchbox"), "plants");
    await waitFor(() => expect(screen.queryByText("Rivers")).toBeNull());
    expect(fetch.mock.calls.map(([url]) => url)).toEqual(["/api/bff/documents?q=plants&page=1"]);
    expect(window.location.search).toBe("?q=plants");
  });

  // Why: on a slow network the answer to "pl" can come after that to "plants", and would stay on the page.
  test("cancels what is older", async () => {
    const signals: AbortSignal[] = [];
    vi.spyOn(globalThis, "fetch").mockImplementation((url, init) => {
      const signal = init?.signal as AbortSignal;
      signals.push(signal);
      if (String(url).includes("q=new")) return Promise.resolve(reply(200, pageOf("New")));
      return new Promise((_, reject) => signal.addEventListener("abort", () => reject(new DOMException("", "AbortError"))));
    });
    desk();
    const box = screen.getByRole("searchbox");
    await userEvent.type(box, "old");
    await waitFor(() => expect(signals).toHaveLength(1));
    await userEvent.clear(box);
    await userEvent.type(box, "new");
    expect(await screen.findByText("New")).toBeTruthy();
    expect(signals[0]?.aborted).toBe(true);
    expect(screen.queryByRole("alert")).toBeNull();
  });

  // Why: a late answer would put the old list back over what was searched for since. Those that the browser had already
  // are not stopped by cancelling.
  test.each([
    ["an older search", async () => userEvent.type(screen.getByRole("searchbox"), "old"), true],
    ["the rest of an older list", async () => userEvent.click(screen.getByRole("button", { name: "Show more" })), true],
    [
      "the rest of an older list, asked for during the search",
      async () => {
        await userEvent.type(screen.getByRole("searchbox"), "new");
        await waitFor(() => expect(globalThis.fetch).toHaveBeenCalledTimes(1));
        await userEvent.click(screen.getByRole("button", { name: "Show more" }));
      },
      false,
    ],
  ])("drops the late answer to %s", async (_, askOld, cancelled) => {
    const late: { signal: AbortSignal; answer: (response: Response) => void }[] = [];
    let answerNew: ((response: Response) => void) | undefined;
    vi.spyOn(globalThis, "fetch").mockImplementation(
      (url, init) =>
        new Promise((resolve) => {
          if (String(url).includes("q=new")) answerNew = resolve;
          else late.push({ signal: init?.signal as AbortSignal, answer: resolve });
        }),
    );
    desk({ ...pageOf("Plants"), total: 2 });
    await askOld();
    await waitFor(() => expect(late).toHaveLength(1));
    if (cancelled) {
      await userEvent.clear(screen.getByRole("searchbox"));
      await userEvent.type(screen.getByRole("searchbox"), "new");
      await waitFor(() => expect(late[0]?.signal.aborted).toBe(true));
    }
    await waitFor(() => expect(answerNew).toBeDefined());
    await act(async () => answerNew?.(reply(200, pageOf("New"))));
    await act(async () => late[0]?.answer(reply(200, { ...pageOf("Rivers"), total: 2 })));
    expect(screen.getByText("New")).toBeTruthy();
    expect(screen.queryByText("Plants")).toBeNull();
    expect(screen.queryByText("Rivers")).toBeNull();
  });

  // Why: the box may be ahead of the list, and page 2 of something else is no continuation.
  test("continues the list that is shown, once", async () => {
    const asked: string[] = [];
    vi.spyOn(globalThis, "fetch").mockImplementation(async (url) => {
      asked.push(String(url));
      return reply(200, String(url).includes("page=2") ? { ...pageOf("Rivers"), page: 2, total: 2 } : pageOf("New"));
    });
    desk({ ...pageOf("Plants"), total: 2 });
    await userEvent.type(screen.getByRole("searchbox"), "n");
    await userEvent.click(screen.getByRole("button", { name: "Show more" }));
    await waitFor(() => expect(screen.getByText("New")).toBeTruthy());
    expect(asked).toEqual(["/api/bff/documents?q=&page=2", "/api/bff/documents?q=n&page=1"]);
  });

  test("that fails keeps the list and what was typed, and can be tried again", async () => {
    const fetch = vi.spyOn(globalThis, "fetch").mockResolvedValue(reply(503, {}));
    desk();
    await userEvent.type(screen.getByRole("searchbox"), "riv");
    const alert = await screen.findByRole("alert");
    expect(screen.getByText("Plants")).toBeTruthy();
    fetch.mockResolvedValue(reply(200, pageOf("Rivers")));
    await userEvent.click(within(alert).getByRole("button", { name: "Try again" }));
    await waitFor(() => expect(screen.queryByText("Plants")).toBeNull());
    expect(screen.queryByRole("alert")).toBeNull();
  });

  test("without a result says so and can be cleared", async () => {
    vi.spyOn(globalThis, "fetch").mockImplementation(async (url) => reply(200, String(url).includes("zzz") ? pageOf() : pageOf("Plants")));
    desk();
    await userEvent.type(screen.getByRole("searchbox"), "zzz");
    await userEvent.click(await screen.findByRole("button", { name: "Clear the search" }));
    expect(await screen.findByText("Plants")).toBeTruthy();
  });
});

describe("deleting", () => {
  const open = () => userEvent.click(screen.getByRole("button", { name: "Delete Plants" }));

  test("asks first, and says what else goes with it", async () => {
    const fetch = vi.spyOn(globalThis, "fetch").mockResolvedValue(reply(204));
    desk();
    await open();
    const dialog = screen.getByRole("dialog", { name: "Delete this document?" });
    expect(dialog.textContent).toContain("all quizzes made from it");
    await userEvent.click(within(dialog).getByRole("button", { name: "Cancel" }));
    expect(screen.queryByRole("dialog")).toBeNull();
    expect(fetch).not.toHaveBeenCalled();
  });

  test("deletes, tells, and leaves the focus somewhere", async () => {
    const fetch = vi
      .spyOn(globalThis, "fetch")
      .mockImplementation(async (_, init) => (init?.method === "DELETE" ? reply(204) : reply(200, pageOf("Rivers"))));
    desk();
    await open();
    await userEvent.click(within(screen.getByRole("dialog")).getByRole("button", { name: "Delete" }));
    await waitFor(() => expect(screen.queryByRole("link", { name: "Plants" })).toBeNull());
    expect(fetch.mock.calls[0]).toMatchObject(["/api/bff/documents/id-Plants", { method: "DELETE" }]);
    expect(document.activeElement?.textContent).toContain("“Plants” was deleted.");
  });

  test("that fails says so and can be tried again", async () => {
    vi.spyOn(globalThis, "fetch").mockResolvedValue(reply(502, {}));
    desk();
    await open();
    await userEvent.click(within(screen.getByRole("dialog")).getByRole("button", { name: "Delete" }));
    expect(within(await screen.findByRole("alert")).getByRole("button", { name: "Try again" })).toBeTruthy();
  });
});

describe("uploading", () => {
  const choose = async (file: File) => userEvent.upload(screen.getByLabelText("Choose a file"), file, { applyAccept: false });

  test("a wrong file is told before a byte is sent", async () => {
    const send = vi.spyOn(XMLHttpRequest.prototype, "send").mockImplementation(() => undefined);
    desk();
    await choose(new File(["x"], "photo.png"));
    expect((await screen.findByRole("alert")).textContent).toContain("photo.png is neither text, Markdown, PDF nor Word");
    expect(send).not.toHaveBeenCalled();
  });

  test("a large one with its size and the limit", async () => {
    desk();
    const file = new File(["x"], "book.pdf");
    Object.defineProperty(file, "size", { value: 31 * 1024 * 1024 });
    await choose(file);
    expect((await screen.findByRole("alert")).textContent).toContain("book.pdf is 31 MB; the limit is 20 MiB.");
  });

  test("shows how far it has come, and can be cancelled", async () => {
    const send = vi.spyOn(XMLHttpRequest.prototype, "send").mockImplementation(() => undefined);
    const abort = vi.spyOn(XMLHttpRequest.prototype, "abort").mockImplementation(function (this: XMLHttpRequest) {
      this.dispatchEvent(new ProgressEvent("abort"));
    });
    desk();
    await choose(new File(["x"], "notes.txt"));
    const sending = send.mock.contexts[0] as XMLHttpRequest;
    sending.upload.dispatchEvent(new ProgressEvent("progress", { loaded: 30, total: 60 }));
    await waitFor(() => expect(screen.getByRole("progressbar", { name: "Uploading notes.txt" }).getAttribute("aria-valuenow")).toBe("50"));
    await userEvent.click(screen.getByRole("button", { name: "Cancel the upload" }));
    expect(abort).toHaveBeenCalled();
    expect(await screen.findByText("The upload was cancelled.")).toBeTruthy();
  });
});

test("the desk has nothing that axe finds", async () => {
  const { container } = desk();
  const { violations } = await axe.run(container, { rules: { "color-contrast": { enabled: false } } });
  expect(violations).toEqual([]);
});
