// The settings of the frontend: what each must look like, and where its value comes from. Plain Node without
// dependencies, because check-env.mjs runs before anything is installed.
import { readFileSync } from "node:fs";
import { join } from "node:path";

/**
 * @typedef {Record<string, string | undefined>} Environment
 * @typedef {{ when: "build" | "run", needed: boolean, fallback?: string, expected: string, remedy: string,
 *             good: (value: string) => boolean }} Setting
 * @typedef {{ name: string, problem: string, expected: string, remedy: string }} Finding
 */

/** @param {string} value */
function isHttpUrl(value) {
  try {
    const url = new URL(value);
    return ["http:", "https:"].includes(url.protocol) && !url.username && !url.search && !url.hash;
  } catch {
    return false;
  }
}

const remedyRun = (/** @type {string} */ name) =>
  `set ${name}, or put the value into a file and name it in ${name}_FILE, or bring it as the systemd credential ${name}`;

/** @type {Record<string, Setting>} */
export const SETTINGS = {
  NEXT_PUBLIC_API_URL: {
    when: "build",
    needed: true,
    expected: "the public base URL of the API, absolute, such as https://aiko.example.com/api",
    remedy: "set NEXT_PUBLIC_API_URL in the environment of the build; its value becomes part of the pages",
    good: isHttpUrl,
  },
  AIKO_CACHE_DIR: {
    when: "build",
    needed: false,
    expected: "an absolute path that the server may write to at run time",
    remedy: "name such a directory, or leave AIKO_CACHE_DIR out: optimized images are then kept nowhere",
    good: (value) => value.startsWith("/"),
  },
  NEXTAUTH_SECRET: {
    when: "run",
    needed: true,
    expected: "a random text of 32 characters or more",
    remedy: remedyRun("NEXTAUTH_SECRET"),
    good: (value) => value.length >= 32,
  },
  BACKEND_URL: {
    when: "run",
    needed: false,
    fallback: process.env.NODE_ENV === "production" ? "http://backend:5000" : "http://127.0.0.1:5000",
    expected: "the backend's base URL, absolute, such as http://backend:5000",
    remedy: remedyRun("BACKEND_URL"),
    good: isHttpUrl,
  },
  MAX_UPLOAD_MB: {
    when: "run",
    needed: false,
    fallback: "20",
    expected: "the backend's own limit for uploads, a whole number of MiB",
    remedy: remedyRun("MAX_UPLOAD_MB"),
    good: (value) => /^[1-9][0-9]{0,4}$/.test(value),
  },
  RELEASE: {
    when: "run",
    needed: false,
    fallback: "",
    expected: "a release id of 1 to 64 letters, digits and _.- signs",
    remedy: remedyRun("RELEASE"),
    good: (value) => /^[\w.-]{1,64}$/.test(value),
  },
};

/**
 * The value of a setting: from the environment variable, else from the file that NAME_FILE names, else from the systemd
 * credential of that name. An empty value counts as not given. Throws when a named file cannot be read.
 * @param {string} name
 * @param {Environment} [env]
 * @returns {string | undefined}
 */
export function lookUp(name, env = process.env) {
  if (env[name]) return env[name];
  const named = env[`${name}_FILE`];
  if (named) return readFileSync(named, "utf8").trim() || undefined;
  if (!env.CREDENTIALS_DIRECTORY) return undefined;
  try {
    return readFileSync(join(env.CREDENTIALS_DIRECTORY, name), "utf8").trim() || undefined;
  } catch {
    return undefined; // not every setting is a credential
  }
}

/**
 * What is wrong with the settings of a stage. Names variables, never values: some are secret.
 * @param {"build" | "run"} when
 * @param {Environment} [env]
 * @returns {Finding[]}
 */
export function findings(when, env = process.env) {
  return Object.entries(SETTINGS).flatMap(([name, { when: stage, needed, good, expected, remedy }]) => {
    if (stage !== when) return [];
    let value;
    try {
      value = lookUp(name, env);
    } catch {
      return [{ name, problem: `the file named by ${name}_FILE cannot be read`, expected, remedy }];
    }
    if (value === undefined) return needed ? [{ name, problem: "is missing", expected, remedy }] : [];
    return good(value) ? [] : [{ name, problem: "is not usable", expected, remedy }];
  });
}

/**
 * A run-time setting's value or its default.
 * @param {string} name
 * @param {Environment} [env]
 */
export function setting(name, env = process.env) {
  return lookUp(name, env) ?? SETTINGS[name]?.fallback ?? "";
}
