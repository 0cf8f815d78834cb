"""An upstream that answers with what reached it: python3 echo.py NAME PORT ADDRESS...

Its other answers: /missing is 404; /stream begins, and ends when somebody asks for /go-on; a page with a policy of its own at
/policy; a file for ever below /_next/static/; a connection that it does not close at once at /patient; and whoever wants to upgrade
hears everything twice.
"""

import http.server
import json
import socket
import sys
import threading
import time

name, port, addresses = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
go_on = threading.Event()


class Echo(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path = self.path.partition("?")[0]
        if self.headers.get("Upgrade"):
            return self.upgrade()
        if path.endswith("/stream"):
            return self.stream()
        if path.endswith("/go-on"):
            go_on.set()
        told = {"who": name, "path": self.path, "method": self.command, "headers": {k.lower(): v for k, v in self.headers.items()}}
        # Long enough to be worth compressing.
        body = json.dumps({**told, "ballast": "x" * 2000}).encode()
        self.send_response(404 if path.endswith("/missing") else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if path.endswith("/policy"):
            self.send_header("Content-Security-Policy", "default-src 'none'")
        if path.startswith("/_next/static/"):
            self.send_header("Cache-Control", "public, max-age=31536000, immutable")
        self.end_headers()
        self.wfile.write(body)
        if path.endswith("/patient"):
            time.sleep(0.2)

    def stream(self):
        go_on.clear()
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("X-Accel-Buffering", "no")
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(b"data: first\n\n")
        self.wfile.flush()
        go_on.wait(20)
        self.wfile.write(b"data: last\n\n")

    def upgrade(self):
        self.send_response(101)
        self.send_header("Upgrade", self.headers["Upgrade"])
        self.send_header("Connection", "upgrade")
        self.end_headers()
        line = self.rfile.readline()
        self.wfile.write(line + line)
        self.close_connection = True

    do_GET = do_POST = answer

    def log_message(self, *arguments):
        pass


class Server(http.server.ThreadingHTTPServer):
    def server_bind(self):
        # IP_FREEBIND of <linux/in.h>: the address of the host for its containers comes with the role, later.
        self.socket.setsockopt(socket.IPPROTO_IP, 15, 1)
        super().server_bind()


for address in addresses:
    threading.Thread(target=Server((address, port), Echo).serve_forever).start()
