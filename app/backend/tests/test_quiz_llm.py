"""The outside generator, against a small HTTP server that behaves badly on purpose."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from aiko.quiz.llm import ChatProvider, parse
from aiko.quiz.types import QuizError
from tests.samples import ENGLISH

QUESTION = {
    "question": "What does heat drive?",
    "options": ["evaporation", "gravity", "sound", "magnetism"],
    "answer": "evaporation",
    "explanation": "Heat from the sun drives evaporation.",
}


def reply(content: Any) -> tuple[int, dict, bytes]:
    """Return a chat completion with the given content."""
    text = content if isinstance(content, str) else json.dumps(content)
    return 200, {}, json.dumps({"choices": [{"message": {"role": "assistant", "content": text}}]}).encode()


class Endpoint:
    """A server that gives the scripted answers in order, the last one for ever, and notes what it was asked."""

    def __init__(self) -> None:
        self.script: list[Any] = []
        self.asked: list[tuple[str, dict, dict]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.asked.append((self.path, dict(self.headers), body))
                step = outer.script.pop(0) if len(outer.script) > 1 else outer.script[0]
                if step == "hang":
                    time.sleep(1.5)
                    return
                status, headers, data = step
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    """A scripted endpoint."""
    made = Endpoint()
    yield made
    made.server.shutdown()
    made.server.server_close()


def generate(endpoint: Endpoint, count: int = 1, text: str = ENGLISH):
    """Ask the provider with short pauses."""
    return ChatProvider(endpoint.url, "tiny", "key-1", pause=0.01, timeout=0.5).generate(
        text, count, "seed", lambda _: None
    )


def test_request_and_answer(endpoint: Endpoint) -> None:
    """The request is what such endpoints expect, the answer becomes a quiz."""
    endpoint.script = [reply({"questions": [QUESTION]})]
    made = generate(endpoint, 2)
    assert made.questions[0].answer == "evaporation" and made.language == "en"
    assert "1 questions instead of 2" in made.message
    path, headers, body = endpoint.asked[0]
    assert path == "/v1/chat/completions" and headers["Authorization"] == "Bearer key-1"
    assert (
        body["model"] == "tiny"
        and body["messages"][-1]["role"] == "user"
        and "Perrault" in body["messages"][-1]["content"]
    )


def test_passing_failures_are_tried_again(endpoint: Endpoint) -> None:
    """A busy, broken or silent server is asked again."""
    endpoint.script = [
        (429, {"Retry-After": "0"}, b""),
        (503, {}, b""),
        "hang",
        (200, {}, b"<html>"),
        reply({"questions": [QUESTION]}),
    ]
    assert len(generate(endpoint).questions) == 1
    assert len(endpoint.asked) == 5


def test_retry_after_is_respected(endpoint: Endpoint) -> None:
    """The server knows best when it has time."""
    endpoint.script = [(429, {"Retry-After": "1"}, b""), reply({"questions": [QUESTION]})]
    started = time.monotonic()
    generate(endpoint)
    assert time.monotonic() - started >= 1


def test_refusals_are_final(endpoint: Endpoint) -> None:
    """A wrong key does not get better by asking again."""
    endpoint.script = [(401, {}, b"")]
    with pytest.raises(QuizError, match="LLM_API_KEY"):
        generate(endpoint)
    assert len(endpoint.asked) == 1


def test_it_gives_up_in_the_end(endpoint: Endpoint) -> None:
    """With the last reason."""
    endpoint.script = [(500, {}, b"")]
    with pytest.raises(QuizError, match="5 tries.*500"):
        generate(endpoint)
    assert len(endpoint.asked) == 5


@pytest.mark.parametrize(
    "change",
    [
        {"answer": "not an option"},
        {"options": ["a", "a", "b", "evaporation"]},
        {"options": ["evaporation", "Évaporation", "x"]},
        {"options": ["evaporation"]},
        {"options": "evaporation"},
        {"question": ""},
        {"question": 7},
        {"explanation": None},
        {"options": ["evaporation", "", "b"]},
    ],
)
def test_answers_are_checked(change: dict) -> None:
    """A wrong quiz is worse than none."""
    with pytest.raises(ValueError):
        parse(json.dumps({"questions": [{**QUESTION, **change}]}), 5)


def test_odd_wrappings() -> None:
    """Fences are common and harmless; other things are refused."""
    assert len(parse("```json\n" + json.dumps({"questions": [QUESTION, QUESTION]}) + "\n```", 1)) == 1
    for bad in ("", "Sure! Here is your quiz", "[]", '{"questions": []}', "null"):
        with pytest.raises(ValueError):
            parse(bad, 5)


def test_soft_time_limit_ends_the_waiting(endpoint: Endpoint) -> None:
    """The exception that a soft limit raises inside the task is not swallowed by the retries."""
    import signal

    from celery.exceptions import SoftTimeLimitExceeded

    def limit(*_: Any) -> None:
        raise SoftTimeLimitExceeded

    endpoint.script = ["hang"]
    before = signal.signal(signal.SIGALRM, limit)
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    try:
        with pytest.raises(SoftTimeLimitExceeded):
            ChatProvider(endpoint.url, "tiny", timeout=5).generate(ENGLISH, 1, "s", lambda _: None)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
