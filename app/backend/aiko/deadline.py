"""Questions to servers that may never answer: waited for until a deadline, and not asked again while they hang."""

from __future__ import annotations

import contextvars
import os
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, wait
from typing import Any

# Keyed by process id, because threads do not outlive a fork().
_running: dict[tuple[int, str], Future] = {}
_guard = threading.Lock()


class NoAnswer(Exception):
    """The deadline passed; what was asked may still be waiting."""


def ask(name: str, question: Callable[[], Any]) -> Future:
    """Ask `question` in a thread of its own; while it runs, whoever asks under the same name shares its answer.

    So a server that hangs holds one thread for each name, however often it is asked. The threads are daemons: none
    keeps a process from ending.
    """
    key = os.getpid(), name
    with _guard:
        if key in _running:
            return _running[key]
        future = _running[key] = Future()
    context = contextvars.copy_context()

    def run() -> None:
        try:
            outcome, done = context.run(question), future.set_result
        except BaseException as error:  # whatever it is, those who wait must learn of it
            outcome, done = error, future.set_exception
        with _guard:
            del _running[key]
        done(outcome)

    threading.Thread(target=run, name=f"ask-{name}", daemon=True).start()
    return future


def gather(questions: Mapping[str, Callable[[], Any]], seconds: float) -> dict[str, Any]:
    """Ask all side by side and return, within `seconds`, by name: the answer, or the exception that came instead."""
    asked = {name: ask(name, question) for name, question in questions.items()}
    wait(asked.values(), seconds)
    return {
        name: (future.exception() or future.result()) if future.done() else NoAnswer(f"no answer within {seconds:g} s")
        for name, future in asked.items()
    }
