"""An upstream that answers with what reached it: python3 echo.py NAME PORT."""

import http.server
import json
import sys

name, port = sys.argv[1], int(sys.argv[2])


class Echo(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        status = 404 if self.path.endswith("/missing") else 200
        body = json.dumps(
            {"who": name, "path": self.path, "method": self.command, "headers": {k.lower(): v for k, v in self.headers.items()}}
        ).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = answer

    def log_message(self, *arguments):
        pass


http.server.ThreadingHTTPServer(("127.0.0.1", port), Echo).serve_forever()
