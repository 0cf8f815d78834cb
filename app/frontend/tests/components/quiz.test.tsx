// @vitest-environment jsdom
import axe from "axe-core";
import { screen, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { beforeEach, describe, expect, test, vi } from "vitest";
import { QuizTaker } from "@/components/quiz-taker";
import { usableAnswers } from "@/lib/client/use-answers";
import type { QuizFull } from "@/lib/types";
import { show } from "../support/words";

const push = vi.fn();
vi.mock("next/navigation", () => ({ useRouter: () => ({ push }) }));

const QUIZ: QuizFull = {
  id: "quiz-1",
  document_id: "d",
  task_id: "t",
  title: "Plants",
  wanted: 2,
  status: "ready",
  message: null,
  language: "en",
  share_code: null,
  mine: false,
  created_at: "2026-01-01T00:00:00Z",
  questions: [
    { id: "q1", position: 1, prompt: "What absorbs light?", options: ["Chlorophyll", "Water"] },
    { id: "q2", position: 2, prompt: "What is released?", options: ["Oxygen", "Iron"] },
  ],
};

const queued = () =>
  vi.spyOn(globalThis, "fetch").mockResolvedValue(new Response(JSON.stringify({ id: "attempt-1", task_id: "t" }), { status: 202 }));
const handIn = () => userEvent.click(screen.getByRole("button", { name: "Hand in my answers" }));

beforeEach(() => {
  localStorage.clear();
  push.mockClear();
});

describe("taking a quiz", () => {
  test("each question is a group of radio buttons with the question as its name", () => {
    show(<QuizTaker quiz={QUIZ} userId="me" />);
    const group = screen.getByRole("group", { name: /Question 1 of 2\s*What absorbs light\?/ });
    expect(within(group).getAllByRole("radio")).toHaveLength(2);
  });

  test("the keyboard is enough", async () => {
    const fetch = queued();
    show(<QuizTaker quiz={QUIZ} userId="me" />);
    await userEvent.tab();
    await userEvent.keyboard(" ");
    await userEvent.tab();
    await userEvent.keyboard("[ArrowDown]");
    expect(screen.getByText("2 of 2 answered")).toBeTruthy();
    await userEvent.tab();
    await userEvent.keyboard("{Enter}");
    expect(JSON.parse(fetch.mock.calls[0]?.[1]?.body as string)).toEqual({ answers: { q1: "Chlorophyll", q2: "Iron" } });
    expect(push).toHaveBeenCalledWith("/quizzes/quiz-1/attempts/attempt-1");
  });

  test("gaps are asked about first, and the way back changes nothing", async () => {
    const fetch = queued();
    show(<QuizTaker quiz={QUIZ} userId="me" />);
    await userEvent.click(screen.getByLabelText("Water"));
    await handIn();
    expect(screen.getByRole("dialog").textContent).toContain("1 question has no answer yet; it will count as wrong.");
    await userEvent.click(screen.getByRole("button", { name: "Keep answering" }));
    expect(fetch).not.toHaveBeenCalled();
    await handIn();
    await userEvent.click(screen.getByRole("button", { name: "Hand in anyway" }));
    expect(fetch).toHaveBeenCalledTimes(1);
  });

  // Why: half an hour of answers must survive a closed lid, a reload and a backend that is away.
  test("answers are kept until they are handed in, for this person alone", async () => {
    vi.spyOn(globalThis, "fetch").mockResolvedValueOnce(new Response("", { status: 502 }));
    const { unmount } = show(<QuizTaker quiz={QUIZ} userId="me" />);
    await userEvent.click(screen.getByLabelText("Water"));
    await userEvent.click(screen.getByLabelText("Oxygen"));
    await handIn();
    expect((await screen.findByRole("alert")).textContent).toContain("does not answer");
    unmount();

    const other = show(<QuizTaker quiz={QUIZ} userId="somebody-else" />);
    expect(screen.getByText("0 of 2 answered")).toBeTruthy();
    other.unmount();

    queued();
    show(<QuizTaker quiz={QUIZ} userId="me" />);
    expect(screen.getByText("2 of 2 answered")).toBeTruthy();
    await handIn();
    await vi.waitFor(() => expect(push).toHaveBeenCalled());
    expect(localStorage.length).toBe(0);
  });

  test("has nothing that axe finds", async () => {
    const { container } = show(<QuizTaker quiz={QUIZ} userId="me" />);
    const { violations } = await axe.run(container, { rules: { "color-contrast": { enabled: false } } });
    expect(violations).toEqual([]);
  });
});

test.each(["not json", "null", "[]", '{"q1":"An option of yesterday","q9":"Oxygen"}', null])("of a draft %o nothing is used", (text) => {
  expect(usableAnswers(text, QUIZ.questions)).toEqual({});
});
