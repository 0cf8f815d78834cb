"""Talk to PostgreSQL with psql, the only driver that every host of the platform has, as the superuser over a local socket."""

from __future__ import annotations

import os
import select
import subprocess
import time
from dataclasses import dataclass

from .command import Failed, as_user, run

USER = "postgres"
# Where Debian's clusters have their sockets.
SOCKETS = "/var/run/postgresql"
END = "aiko-end-of-answer"
# What the text of a value depends on, and what would end a long transaction.
SETTINGS = "".join(f"SET {name} = {value};\n" for name, value in {
    "DateStyle": "'ISO, YMD'", "IntervalStyle": "iso_8601", "TimeZone": "'UTC'", "extra_float_digits": "3", "bytea_output": "hex",
    "lc_monetary": "'C'", "search_path": "pg_catalog", "quote_all_identifiers": "off", "jit": "off", "client_min_messages": "warning",
    "statement_timeout": "0", "lock_timeout": "0", "idle_in_transaction_session_timeout": "0", "idle_session_timeout": "0",
}.items())  # fmt: skip


@dataclass(frozen=True)
class Database:
    """Where a database is reached."""

    name: str
    port: int = 5432
    sockets: str = SOCKETS

    def command(self) -> list[str]:
        return ["psql", "--no-psqlrc", "--no-align", "--tuples-only", "--quiet", "--no-password", "--username", USER,
                "--host", self.sockets, "--port", str(self.port), "--dbname", self.name]  # fmt: skip

    def query(self, sql: str) -> str:
        """Run statements up to the first that fails; returns what they print."""
        command = [*self.command(), "--set=ON_ERROR_STOP=1", "--file=-"]
        return run(command, input=SETTINGS + sql, env=environment(), cwd="/", user=account()).strip()


def environment() -> dict[str, str]:
    """No PG* variable of this process has a say."""
    return {"PATH": os.environ.get("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"), "PGAPPNAME": "aiko-backup", "LC_ALL": "C.UTF-8"}


def account() -> str | None:
    """The account to change to; none when this process cannot, or need not."""
    return USER if os.geteuid() == 0 else None


class Refused(Failed):
    """A statement was refused; `code` is its SQLSTATE (postgresql.org/docs/current/errcodes-appendix.html)."""

    def __init__(self, code: str, message: str):
        super().__init__(f"PostgreSQL refused: {message} ({code})")
        self.code = code


class Session:
    """One connection that stays open, and with it its transaction."""

    def __init__(self, database: Database):
        self.process = subprocess.Popen([*as_user(account()), *database.command()], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, env=environment(), cwd="/")  # fmt: skip
        self.rest = b""
        try:
            self.ask(SETTINGS)
            self.pid = int(self.ask("SELECT pg_backend_pid();"))
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def close(self) -> None:
        """End the connection; PostgreSQL rolls back what was open."""
        self.process.kill()
        self.process.communicate()

    def send(self, sql: str) -> None:
        # psql counts only what was sent last; statements that belong together are joined by \; into one.
        text = f"{sql}\n\\echo {END} :ERROR :LAST_ERROR_SQLSTATE\n\\echo :LAST_ERROR_MESSAGE\n\\echo {END}\n"
        try:
            self.process.stdin.write(text.encode("utf-8", "surrogateescape"))
            self.process.stdin.flush()
        except BrokenPipeError as error:
            raise self._ended() from error

    def receive(self, timeout: float | None = None) -> str | None:
        """The answer to what was sent; None when it does not come in time, which changes nothing."""
        until = None if timeout is None else time.monotonic() + timeout
        while self.rest.count(f"{END}".encode()) < 2 or not self.rest.endswith(b"\n"):
            left = None if until is None else until - time.monotonic()
            if left is not None and (left <= 0 or not select.select([self.process.stdout], [], [], left)[0]):
                return None
            read = os.read(self.process.stdout.fileno(), 1 << 16)
            if not read:
                raise self._ended()
            self.rest += read
        text, self.rest = self.rest.decode("utf-8", "surrogateescape"), b""
        answer, _, tail = text.partition(f"{END} ")
        state, _, message = tail.partition("\n")
        failed, _, code = state.partition(" ")
        if failed == "true":
            raise Refused(code, message.rpartition(END)[0].strip())
        return answer.rstrip("\n")

    def ask(self, sql: str) -> str:
        self.send(sql)
        return self.receive()

    def _ended(self) -> Failed:
        words = self.process.communicate()[1].decode(errors="replace").strip()
        return Failed(f"the connection to PostgreSQL ended: {words or 'no reason given'}")
