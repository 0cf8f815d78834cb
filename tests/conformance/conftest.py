"""A client that talks to the deployed site as a browser would, from the controller."""

from __future__ import annotations

import dataclasses
import http.client
import json
import socket
import ssl
import time
import uuid

import pytest


@dataclasses.dataclass
class Answer:
    """A response: status, headers (names in lower case) and body."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)


class Site:
    """The site at an address, asked for by its name."""

    def __init__(self, address: str, domain: str, timeout: float = 30):
        self.address, self.domain, self.timeout = address, domain, timeout

    def ask(self, method: str, path: str, *, token: str | None = None, body=None, headers=None, tls=True, host=None) -> Answer:
        """One request on a connection of its own. `body` is bytes, or anything JSON can say."""
        headers = {"Host": host or self.domain, "Connection": "close", **(headers or {})}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        if body is not None and not isinstance(body, bytes):
            body, headers = json.dumps(body).encode(), {**headers, "Content-Type": "application/json"}
        connection = http.client.HTTPConnection(self.address, 443 if tls else 80, timeout=self.timeout)
        connection.sock = self.connect(tls)
        try:
            connection.request(method, path, body=body, headers=headers)
            response = connection.getresponse()
            return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
        finally:
            connection.close()

    def hurry(self, path: str, times: int) -> list[Answer]:
        """Requests one after the other on one connection, as fast as they are answered."""
        connection = http.client.HTTPConnection(self.address, 443, timeout=self.timeout)
        connection.sock = self.connect(tls=True)
        answers = []
        try:
            for _ in range(times):
                connection.request("GET", path, headers={"Host": self.domain})
                response = connection.getresponse()
                answers.append(Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read()))
        finally:
            connection.close()
        return answers

    def connect(self, tls: bool) -> socket.socket:
        raw = socket.create_connection((self.address, 443 if tls else 80), timeout=self.timeout)
        if not tls:
            return raw
        context = ssl.create_default_context()
        # The test site signs its own certificate; the chain is the certificates role's test.
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return context.wrap_socket(raw, server_hostname=self.domain)

    def patient(self, method: str, path: str, **arguments) -> Answer:
        """Like ask, but waits as told when the site says 429, as a well-behaved client does."""
        for _ in range(20):
            answer = self.ask(method, path, **arguments)
            if answer.status != 429:
                return answer
            time.sleep(float(answer.headers["retry-after"]))
        return answer

    def upload(self, token: str, name: str, content: bytes) -> Answer:
        boundary = uuid.uuid4().hex
        body = (f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
                f"Content-Type: application/octet-stream\r\n\r\n").encode() + content + f"\r\n--{boundary}--\r\n".encode()
        return self.patient("POST", "/api/documents", token=token, body=body,
                            headers={"Content-Type": f"multipart/form-data; boundary={boundary}"})

    def until(self, path: str, token: str, done, seconds: float = 60) -> Answer:
        """Ask until `done(answer)`; the last answer is in the failure's message."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            answer = self.patient("GET", path, token=token)
            if done(answer):
                return answer
            time.sleep(0.3)
        raise AssertionError(f"{path} was not done within {seconds} s; last: {answer.status} {answer.body[:500]!r}")


def platform_address(host) -> str:
    return host.check_output("ip -4 -oneline address show scope global | awk '{split($4, a, \"/\"); print a[1]; exit}'")


@pytest.fixture(scope="module")
def site(host) -> Site:
    return Site(platform_address(host), host.ansible.get_variables()["aiko_domain"])


@pytest.fixture(scope="module")
def account(site):
    """A fresh teacher: (email, token)."""
    email = f"{uuid.uuid4().hex}@example.com"
    password = f"correct-horse-{uuid.uuid4().hex}"
    assert site.patient("POST", "/api/auth/register", body={"email": email, "password": password, "name": "Ada"}).status == 201
    answer = site.patient("POST", "/api/auth/login", body={"email": email, "password": password})
    assert answer.status == 200, answer.body
    return email, password, answer.json["access_token"]
