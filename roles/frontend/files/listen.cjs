// Lets a Node server take over the socket that systemd holds (sd_listen_fds(3)), or serve on the Unix socket that
// AIKO_LISTEN names, or both, whatever address the program itself asks for; and tells systemd when it listens (sd_notify(3)).
// Preloaded by `node --require`, so that the program needs to know nothing of it.
"use strict";
const { spawnSync } = require("node:child_process");
const http = require("node:http");
const net = require("node:net");

const FIRST = 3;
const inherited = Number(process.env.LISTEN_PID) === process.pid ? Number(process.env.LISTEN_FDS) : 0;
const own = process.env.AIKO_LISTEN;
const listen = net.Server.prototype.listen;

function tellSystemd() {
  if (!process.env.NOTIFY_SOCKET) return;
  const told = spawnSync("/usr/bin/systemd-notify", ["--ready"], { stdio: "inherit" });
  if (told.status !== 0) throw new Error(`systemd-notify --ready failed: ${told.error ?? `exit code ${told.status}`}`);
}

if (inherited > 0 || own) {
  http.Server.prototype.listen = function (...given) {
    const server = this;
    const done = given.find((argument) => typeof argument === "function");
    server.once("listening", tellSystemd);
    if (inherited === 0) return listen.call(server, { path: own }, done);
    // One server listens on one descriptor; the others hand their connections over to it, and close with it.
    const others = own ? [{ path: own }] : [];
    for (let fd = FIRST + 1; fd < FIRST + inherited; fd++) others.push({ fd });
    for (const other of others) {
      const extra = net.createServer((connection) => server.emit("connection", connection));
      listen.call(extra, other);
      const close = server.close;
      server.close = function (...rest) {
        extra.close();
        return close.apply(server, rest);
      };
    }
    return listen.call(server, { fd: FIRST }, done);
  };
}
