"""Run other programs and turn their failure into one sentence."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence

# As much of a program's own words as helps; restic and PostgreSQL can say the same thing a thousand times.
TAIL = 2000


class Failed(Exception):
    """Something did not go as it has to; the message says what and what helps. Nothing secret is in it."""


def run(
    argv: Sequence[str],
    *,
    user: str | None = None,
    input: str | None = None,  # noqa: A002 - as subprocess calls it
    env: Mapping[str, str] | None = None,
    cwd: str | None = None,
    timeout: float | None = None,
) -> str:
    """Run a program to its end and return what it printed.

    Args:
        argv: program and arguments; never a secret, since anybody may list processes.
        user: account to run it as; this process has to be root then.
        input: text for its standard input.
        env: its whole environment; this process' own when None.
        cwd: directory to run it in.
        timeout: seconds; None waits.

    Raises:
        Failed: it could not be started, took too long, or ended with something else than 0.
    """
    command = [*as_user(user), *argv]
    try:
        done = subprocess.run(
            command, input=input, env=env, cwd=cwd, timeout=timeout, capture_output=True, text=True, errors="surrogateescape", check=False,
        )  # fmt: skip
    except FileNotFoundError as error:
        raise Failed(f"{argv[0]} is not installed here, or {cwd} does not exist ({error.strerror})") from error
    except subprocess.TimeoutExpired as error:
        raise Failed(f"{argv[0]} did not end within {timeout} s") from error
    if done.returncode != 0:
        raise Failed(f"{' '.join(argv[:3])} ended with {done.returncode}: {(done.stderr.strip() or done.stdout.strip())[-TAIL:]}")
    return done.stdout


def run_watched(
    argv: Sequence[str], watch: Callable[[], str | None], *, env: Mapping[str, str] | None = None, cwd: str | None = None
) -> str:
    """Run a program that would go on trying when it has no hope any more.

    Args:
        argv: as `run` takes it, and `env` and `cwd` likewise.
        watch: asked each second; what it returns is why the program is ended.

    Raises:
        Failed: as `run`, or with the reason of `watch`.
    """
    process = subprocess.Popen(
        argv, env=env, cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        errors="surrogateescape", start_new_session=True,
    )  # fmt: skip
    try:
        while True:
            try:
                out, err = process.communicate(timeout=1)
                break
            except subprocess.TimeoutExpired:
                if reason := watch():
                    raise Failed(reason) from None
    finally:
        if process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            try:
                process.communicate(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
    if process.returncode != 0:
        raise Failed(f"{' '.join(argv[:3])} ended with {process.returncode}: {(err.strip() or out.strip())[-TAIL:]}")
    return out


def as_user(user: str | None) -> list[str]:
    """The words before a command that run it as somebody else, without a login and without PAM."""
    return ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups", "--"] if user else []


def say(text: str) -> None:
    """One line of progress, for the journal or the operator's terminal."""
    print(text, file=sys.stderr, flush=True)
