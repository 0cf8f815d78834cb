"""Says whether a text is French or English, and admits when it cannot tell."""

from __future__ import annotations

import re

from aiko.quiz.words import STOP

_ONLY = {"fr": STOP["fr"] - STOP["en"], "en": STOP["en"] - STOP["fr"]}


def detect(text: str) -> str | None:
    """Return `fr`, `en`, or None.

    Counts the function words that only one of the two languages has. A text of another language has few of either, and
    a mixed one has many of both: both give None.
    """
    words = re.findall(r"[^\W\d_]+", text[:50_000].lower())
    if not words:
        return None
    counts = {language: sum(word in known for word in words) for language, known in _ONLY.items()}
    best, other = sorted(counts, key=lambda language: -counts[language])
    if counts[best] < max(3, len(words) * 0.12) or counts[best] < 2 * counts[other]:
        return None
    return best
