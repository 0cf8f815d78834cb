// @vitest-environment jsdom
import axe from "axe-core";
import { screen, waitFor } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { beforeEach, describe, expect, test, vi } from "vitest";
import { LoginForm } from "@/components/login-form";
import { SignupForm } from "@/components/signup-form";
import { show } from "../support/words";

vi.mock("next/link", () => ({ default: (props: React.ComponentProps<"a">) => <a {...props} /> }));

const answers = (status: number, body: unknown, headers = {}) =>
  vi.spyOn(globalThis, "fetch").mockResolvedValue(new Response(JSON.stringify(body), { status, headers }));

beforeEach(() => sessionStorage.clear());

async function fillLogin(password = "correct horse") {
  await userEvent.type(screen.getByLabelText("E-mail address"), "claire@example.com");
  await userEvent.type(screen.getByLabelText("Password"), password);
  await userEvent.click(screen.getByRole("button", { name: "Log in" }));
}

describe("the login form", () => {
  test("sends nothing while a field is wrong, and puts the focus there", async () => {
    const fetch = answers(200, {});
    show(<LoginForm />);
    await userEvent.click(screen.getByRole("button", { name: "Log in" }));
    const email = screen.getByLabelText("E-mail address");
    expect(email).toBe(document.activeElement);
    expect(email.getAttribute("aria-invalid")).toBe("true");
    // Read out with the field, not only shown beside it.
    expect(document.getElementById(email.getAttribute("aria-describedby") ?? "")?.textContent).toBe("This field is needed.");
    expect(fetch).not.toHaveBeenCalled();
  });

  test("says that the password is wrong, as an alert, and keeps the address", async () => {
    answers(401, { detail: "email or password is wrong" });
    show(<LoginForm />);
    await fillLogin();
    expect((await screen.findByRole("alert")).textContent).toContain("The e-mail address or the password is wrong.");
    expect(screen.getByLabelText<HTMLInputElement>("E-mail address").value).toBe("claire@example.com");
  });

  test("says how long to wait after too many tries", async () => {
    answers(429, {}, { "retry-after": "42" });
    show(<LoginForm />);
    await fillLogin();
    expect((await screen.findByRole("alert")).textContent).toContain("42 seconds");
  });

  test("says that the network is down, and can be sent again", async () => {
    const fetch = vi.spyOn(globalThis, "fetch").mockRejectedValue(new TypeError("fetch failed"));
    show(<LoginForm />, "fr");
    await userEvent.type(screen.getByLabelText("Adresse e-mail"), "claire@example.com");
    await userEvent.type(screen.getByLabelText("Mot de passe"), "correct horse{Enter}");
    expect((await screen.findByRole("alert")).textContent).toContain("Pas de connexion");
    await userEvent.click(screen.getByRole("button", { name: "Se connecter" }));
    await waitFor(() => expect(fetch).toHaveBeenCalledTimes(2));
  });

  // Why: a reload, a change of language or an ended session must cost nobody their typing; a password is kept nowhere.
  test("keeps the address over a reload, and never the password", async () => {
    answers(502, {});
    const { unmount } = show(<LoginForm />);
    await fillLogin("correct horse");
    await screen.findByRole("alert");
    unmount();
    expect(JSON.stringify({ ...sessionStorage, ...localStorage })).not.toContain("correct horse");
    show(<LoginForm />, "fr");
    expect(screen.getByLabelText<HTMLInputElement>("Adresse e-mail").value).toBe("claire@example.com");
    expect(screen.getByLabelText<HTMLInputElement>("Mot de passe").value).toBe("");
  });

  test("shows the password when asked", async () => {
    show(<LoginForm />);
    await userEvent.click(screen.getByRole("button", { name: "Show password" }));
    expect(screen.getByLabelText<HTMLInputElement>("Password").type).toBe("text");
  });
});

describe("the sign-up form", () => {
  test("says that the address is taken, and leads to the login", async () => {
    answers(409, {});
    show(<SignupForm joining={false} />);
    await userEvent.type(screen.getByLabelText("Name"), "Claire");
    await userEvent.type(screen.getByLabelText("E-mail address"), "claire@example.com");
    await userEvent.type(screen.getByLabelText("Password"), "correct horse");
    await userEvent.click(screen.getByRole("button", { name: "Create my account" }));
    expect((await screen.findByRole("alert")).textContent).toContain("There is an account with this address already.");
    expect(screen.getByRole("link", { name: "Log in" }).getAttribute("href")).toBe("/login");
  });

  test("marks the field that the server refuses", async () => {
    answers(422, { detail: "email: bad", errors: [{ at: "email", problem: "bad" }] });
    show(<SignupForm joining={false} />);
    await userEvent.type(screen.getByLabelText("Name"), "Claire");
    await userEvent.type(screen.getByLabelText("E-mail address"), "claire@example.com");
    await userEvent.type(screen.getByLabelText("Password"), "correct horse");
    await userEvent.click(screen.getByRole("button", { name: "Create my account" }));
    await waitFor(() => expect(screen.getByLabelText("E-mail address")).toBe(document.activeElement));
    expect(screen.getByText("This value is not accepted.")).toBeTruthy();
  });

  test("takes who comes with a code for a student", () => {
    show(<SignupForm joining />);
    expect(screen.getByRole<HTMLInputElement>("radio", { name: /Student/ }).checked).toBe(true);
  });

  test("has nothing that axe finds", async () => {
    const { container } = show(<SignupForm joining={false} />);
    // Contrast needs a real rendering; the pages are checked for it in a browser.
    const { violations } = await axe.run(container, { rules: { "color-contrast": { enabled: false } } });
    expect(violations).toEqual([]);
  });
});
