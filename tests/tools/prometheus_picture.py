"""Take a picture of a graph in Prometheus' own web page on a test host, with a headless Chromium (Debian's package chromium).

    python -m tests.tools.prometheus_picture mon-trixie 'sum by (status) (rate(http_request_total[1m]))' artefacts/prometheus.png

AIKO_LAB_RUN says in which lab the host is. Prometheus listens on the host's loopback and asks for a password: it is reached
through SSH, and a small server on this machine's loopback adds the password, so that it stands in no command line. Debian's package
has the older page, below /classic.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import http.server
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

SSH = ["ssh", "-F", os.environ.get("AIKO_LAB_RUN", "/run/aiko-lab") + "/ssh_config", "-o", "ControlMaster=no", "-o", "ControlPath=none"]
SECONDS = 30


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def tunnel(host: str):
    """A local port that is Prometheus' own."""
    port = free_port()
    process = subprocess.Popen([*SSH, "-N", "-o", "ExitOnForwardFailure=yes", "-L", f"127.0.0.1:{port}:127.0.0.1:9090", host])
    try:
        end = time.monotonic() + SECONDS
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            if process.poll() is not None or time.monotonic() > end:
                raise SystemExit(f"no way to {host}: is it a host of the lab of AIKO_LAB_RUN?")
            time.sleep(0.1)
        yield port
    finally:
        process.terminate()
        process.wait()


def door(upstream: int, login: str) -> http.server.ThreadingHTTPServer:
    """A server that hands requests on to `upstream` and adds the login."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            size = int(self.headers.get("Content-Length", 0))
            headers = {"Authorization": login, "Content-Type": self.headers.get("Content-Type", "text/plain")}
            request = urllib.request.Request(
                f"http://127.0.0.1:{upstream}{self.path}", self.rfile.read(size) if size else None, headers, method=self.command)
            try:
                answer = urllib.request.urlopen(request, timeout=SECONDS)
            except urllib.error.HTTPError as error:
                answer = error
            with answer:
                body = answer.read()
                self.send_response(answer.status)
                self.send_header("Content-Type", answer.headers.get("Content-Type", "text/plain"))
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        do_POST = do_GET

        def log_message(self, *_) -> None:
            pass

    return http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("host")
    parser.add_argument("expression")
    parser.add_argument("picture", type=pathlib.Path)
    parser.add_argument("--range", default="15m", help="how far back, as Prometheus writes it")
    options = parser.parse_args()
    password = subprocess.run([*SSH, options.host, "sudo cat /etc/prometheus/password"], capture_output=True, text=True, check=True).stdout
    login = "Basic " + base64.b64encode(f"admin:{password.strip()}".encode()).decode()
    options.picture.parent.mkdir(parents=True, exist_ok=True)
    options.picture.unlink(missing_ok=True)
    with tunnel(options.host) as port, door(port, login) as server, tempfile.TemporaryDirectory() as profile:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        query = urllib.parse.urlencode({"g0.expr": options.expression, "g0.tab": 0, "g0.range_input": options.range})
        done = subprocess.run(
            ["chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--window-size=1400,900",
             f"--user-data-dir={profile}", "--virtual-time-budget=15000", f"--screenshot={options.picture}",
             f"http://127.0.0.1:{server.server_address[1]}/classic/graph?{query}"],
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        server.shutdown()
    if not options.picture.is_file():
        sys.exit(f"chromium left no picture: {done.stderr[-2000:]}")
    print(options.picture)
    return 0


if __name__ == "__main__":
    sys.exit(main())
