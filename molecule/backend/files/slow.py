"""Begin a request, finish it when /run/slow.go exists, and print the answer's status."""

import pathlib
import socket
import sys
import time

GO = pathlib.Path("/run/slow.go")
BODY = b'{"email": "nobody@example.com", "password": "not-a-real-one"}'
with socket.create_connection(("127.0.0.1", 5000), timeout=60) as connection:
    head = f"POST /api/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(BODY)}\r\n\r\n"
    connection.sendall(head.encode() + BODY[:10])
    pathlib.Path(sys.argv[1]).touch()
    end = time.monotonic() + 120
    while not GO.exists() and time.monotonic() < end:
        time.sleep(0.05)
    connection.sendall(BODY[10:])
    print(connection.recv(4096).split(b"\r\n")[0].decode(), flush=True)
