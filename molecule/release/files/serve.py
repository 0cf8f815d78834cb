"""A release in small: serves its name on the socket that systemd hands over, or on the Unix socket given.

When it is stopped, it answers what it has begun with, as every service must that is to lose nothing.
"""

import http.server
import os
import pathlib
import signal
import socket
import socketserver
import sys
import threading

NAME = pathlib.Path("name").read_text().strip()


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        healthy = self.path != "/health" or not pathlib.Path("ill").exists()
        body = NAME.encode()
        self.send_response(200 if healthy else 503)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def address_string(self):
        return "somebody"


class Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """Waits for its threads when it is closed."""


server = Server(("127.0.0.1", 0), Handler, bind_and_activate=False)
if len(sys.argv) > 1:
    server.socket = socket.socket(socket.AF_UNIX)
    server.socket.bind(sys.argv[1])
    server.server_activate()
else:
    server.socket = socket.socket(fileno=3)
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
    notify.sendto(b"READY=1", os.environ["NOTIFY_SOCKET"].replace("@", "\0", 1))
# Not in the handler itself, which stands in the way of what it would wait for.
signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
server.serve_forever(poll_interval=0.1)
server.server_close()
