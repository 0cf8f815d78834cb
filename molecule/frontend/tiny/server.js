// A frontend that holds an answer back where it is told to.
const http = require("node:http");
const { existsSync, readFileSync } = require("node:fs");

const secret = readFileSync(`${process.env.CREDENTIALS_DIRECTORY}/SECRET_WORD`, "utf8");
const colour = readFileSync("colour", "utf8");
// Requests that wait until somebody says that they may be answered.
let held = 0;
const server = http.createServer((request, response) => {
  const url = new URL(request.url, "http://localhost");
  const release = readFileSync(process.env.RELEASE_FILE, "utf8");
  const body = JSON.stringify({ colour, mood: process.env.MOOD, secret: secret.length, release, held });
  if (!url.searchParams.has("hold")) return response.end(body);
  held += 1;
  const look = setInterval(() => {
    if (!existsSync("/var/cache/aiko-frontend/slow.go")) return;
    clearInterval(look);
    response.end(body);
  }, 100);
});
server.listen(3000, "127.0.0.1");
process.on("SIGTERM", () => server.close(() => process.exit(0)));
