import { useState, type FormEvent, type RefObject } from "react";
import { asProblem } from "@/lib/client/api";
import type { PlainProblem } from "@/lib/problem";
import type { FieldErrors } from "@/lib/validate";

type Form = {
  busy: boolean;
  errors: FieldErrors;
  problem: PlainProblem | undefined;
  onSubmit: (event: FormEvent<HTMLFormElement>) => void;
};

/**
 * The course of a form: check, send, tell. The first field that is wrong gets the focus; fields that the server refuses
 * are marked as well. `send` stays pending when it leaves for another page, so the form stays busy until then.
 */
export function useSubmit(
  form: RefObject<HTMLFormElement | null>,
  check: (data: FormData) => FieldErrors,
  send: (data: FormData) => Promise<void>,
): Form {
  const [busy, setBusy] = useState(false);
  const [errors, setErrors] = useState<FieldErrors>({});
  const [problem, setProblem] = useState<PlainProblem>();

  function mark(found: FieldErrors) {
    setErrors(found);
    const first = Object.keys(found)[0];
    const field = first ? form.current?.elements.namedItem(first) : undefined;
    if (field instanceof HTMLElement) field.focus();
  }

  async function run(data: FormData) {
    setProblem(undefined);
    const found = check(data);
    mark(found);
    if (Object.keys(found).length) return;
    setBusy(true);
    try {
      await send(data);
    } catch (error) {
      const told = asProblem(error);
      setProblem(told);
      mark(Object.fromEntries(told.fields.filter(({ at }) => data.has(at)).map(({ at }) => [at, "field.bad" as const])));
    } finally {
      setBusy(false);
    }
  }

  return {
    busy,
    errors,
    problem,
    onSubmit: (event) => {
      event.preventDefault();
      if (!busy) void run(new FormData(event.currentTarget));
    },
  };
}

/** Goes to another page by a full load, and never comes back. */
export function leaveFor(path: string): Promise<never> {
  window.location.assign(path);
  return new Promise(() => undefined);
}
