import { findings, setting } from "@/scripts/settings.mjs";

export const dynamic = "force-dynamic";

/** Whether this process can serve. It asks no other service, so that one that is away does not take this one along. */
export function GET(): Response {
  const found = findings("run");
  const release = setting("RELEASE") || null;
  const body = found.length
    ? { status: "unavailable", release, problems: found.map(({ name, problem, expected }) => `${name} ${problem}; expected: ${expected}`) }
    : { status: "ok", release };
  return Response.json(body, { status: found.length ? 503 : 200, headers: { "cache-control": "no-store" } });
}
