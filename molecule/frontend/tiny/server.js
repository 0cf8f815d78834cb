// A frontend that takes its time where it is told to.
const http = require("node:http");
const { readFileSync } = require("node:fs");

const secret = readFileSync(`${process.env.CREDENTIALS_DIRECTORY}/SECRET_WORD`, "utf8");
const colour = readFileSync("colour", "utf8");
const server = http.createServer((request, response) => {
  const url = new URL(request.url, "http://localhost");
  const body = JSON.stringify({ colour, mood: process.env.MOOD, secret: secret.length, release: readFileSync(process.env.RELEASE_FILE, "utf8") });
  setTimeout(() => response.end(body), Number(url.searchParams.get("wait") ?? 0));
});
server.listen(3000, "127.0.0.1");
process.on("SIGTERM", () => server.close(() => process.exit(0)));
