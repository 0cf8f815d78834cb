"""What a quiz generator takes and gives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

Progress = Callable[[float], None]


class QuizError(Exception):
    """No quiz can be made; the message is for the person who asked for it."""


@dataclass(frozen=True)
class MadeQuestion:
    """A multiple-choice question: `answer` is one of `options`, which are all different."""

    prompt: str
    options: list[str]
    answer: str
    explanation: str


@dataclass(frozen=True)
class Made:
    """The questions, the language of the text (`fr`, `en` or None when not sure), and what the reader should know."""

    questions: list[MadeQuestion]
    language: str | None
    message: str | None = None


class Provider(Protocol):
    """A generator of quizzes."""

    def generate(self, text: str, count: int, seed: str, progress: Progress) -> Made:
        """Return at most `count` questions about `text`.

        The same text, count and seed should give the same questions. `progress` takes the part done, 0 to 1.
        Raises QuizError.
        """
        ...
