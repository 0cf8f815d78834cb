// Exits with 0 when the server of this container answers with 200: answers.cjs PATH. Asked at AIKO_LISTEN, which is its own.
"use strict";
const ask = { socketPath: process.env.AIKO_LISTEN, path: process.argv[2], timeout: 10000 };
require("node:http")
  .get(ask, (answer) => process.exit(answer.statusCode === 200 ? 0 : 1))
  .on("timeout", () => process.exit(1))
  .on("error", () => process.exit(1));
