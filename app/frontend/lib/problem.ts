export type FieldProblem = { at: string; problem: string };

/** An answer that is not success (RFC 9457). Status 0: there was no answer, the network is down. */
export class Problem extends Error {
  readonly status: number;
  readonly detail: string;
  readonly fields: FieldProblem[];
  readonly retryAfter: number | undefined;
  readonly requestId: string | undefined;

  constructor(status: number, more: { detail?: string; fields?: FieldProblem[]; retryAfter?: number; requestId?: string } = {}) {
    super(`${status} ${more.detail ?? ""}`.trim());
    this.name = "Problem";
    this.status = status;
    this.detail = more.detail ?? "";
    this.fields = more.fields ?? [];
    this.retryAfter = more.retryAfter;
    this.requestId = more.requestId;
  }
}

/** What can cross from the server's rendering to the browser's. */
export type PlainProblem = Pick<Problem, "status" | "detail" | "fields" | "retryAfter" | "requestId">;

export function plain({ status, detail, fields, retryAfter, requestId }: Problem): PlainProblem {
  return { status, detail, fields, retryAfter, requestId };
}

function members(text: string): Record<string, unknown> {
  try {
    const body: unknown = JSON.parse(text);
    return typeof body === "object" && body !== null ? (body as Record<string, unknown>) : {};
  } catch {
    return {}; // a proxy's own page, for example
  }
}

/** The problem in an answer's body and headers; a body that is no problem document leaves the status alone to speak. */
export function parseProblem(status: number, text: string, header: (name: string) => string | null): Problem {
  const { detail, errors } = members(text);
  const seconds = Number(header("retry-after"));
  return new Problem(status, {
    detail: typeof detail === "string" ? detail : "",
    fields: Array.isArray(errors) ? (errors as FieldProblem[]) : [],
    retryAfter: Number.isFinite(seconds) && seconds > 0 ? seconds : undefined,
    requestId: header("x-request-id") ?? undefined,
  });
}
