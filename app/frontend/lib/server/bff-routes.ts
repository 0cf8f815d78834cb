const ID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}";

/** What pages may ask of the backend through us: methods by path. Whatever is not here does not exist. */
const ALLOWED: readonly (readonly [methods: string, path: string])[] = [
  ["GET POST", "documents"],
  ["GET DELETE", `documents/${ID}`],
  ["GET", `documents/${ID}/file`],
  ["GET POST", "quizzes"],
  ["GET DELETE", `quizzes/${ID}`],
  ["POST", `quizzes/${ID}/share`],
  ["GET POST", `quizzes/${ID}/attempts`],
  ["GET", `quizzes/${ID}/attempts/${ID}`],
  ["GET", `tasks/${ID}`],
  ["GET", "shared/[\\w-]{1,64}"],
  ["GET", "overview"],
  ["GET", "status"],
];

/** 404 for an unknown path, 405 for a known one with another method, otherwise undefined. */
export function refusal(method: string, path: string): 404 | 405 | undefined {
  const route = ALLOWED.find(([, pattern]) => new RegExp(`^${pattern}$`, "i").test(path));
  if (!route) return 404;
  return route[0].split(" ").includes(method) ? undefined : 405;
}
