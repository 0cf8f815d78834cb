// Says what is wrong with the settings of a stage before the stage is begun.
// usage: node scripts/check-env.mjs build|run
import { argv, exit } from "node:process";
import { findings } from "./settings.mjs";

const when = argv[2];
if (when !== "build" && when !== "run") {
  console.error("usage: node check-env.mjs build|run");
  exit(2);
}
const found = findings(when);
for (const { name, problem, expected, remedy } of found) {
  console.error(`${name} ${problem}. Expected: ${expected}. Remedy: ${remedy}.`);
}
exit(found.length ? 1 : 0);
