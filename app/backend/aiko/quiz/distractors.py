"""Chooses wrong options that could be right at a glance."""

from __future__ import annotations

import random
import re
from collections import Counter, defaultdict
from dataclasses import dataclass

from aiko.quiz.terms import Term, ending, fold, stem
from aiko.quiz.words import FALLBACK

WRONG = 3
_VOWEL = re.compile(r"[aeiouyhœæ]")


@dataclass(frozen=True)
class Entry:
    """A term of the document, once: its most common form, its ending and how often it occurs."""

    form: str
    ending: str
    count: int


def vocabulary(terms: list[Term]) -> dict[str, list[Entry]]:
    """Return the terms by kind, each once."""
    forms: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for term in terms:
        forms[term.kind, term.key][term.surface.lower() if term.kind == "word" else term.surface] += 1
    found: dict[str, list[Entry]] = defaultdict(list)
    for (kind, _), seen in sorted(forms.items()):
        form = min(seen, key=lambda f: (-seen[f], f))
        found[kind].append(Entry(form, ending(form), seen.total()))
    return found


def _near_numbers(answer: str, chance: random.Random) -> list[str]:
    """Return numbers in the neighbourhood of `answer`, written the same way."""
    if not re.fullmatch(r"\d{1,15}", answer):
        mark = "," if "," in answer else "."
        head, _, tail = answer.rpartition(mark)
        steps = chance.sample(range(1, 8), 4)
        return [f"{head}{mark}{(int(tail) + step) % 10 ** len(tail):0{len(tail)}d}" for step in steps]
    value = int(answer)
    is_year = 1000 <= value <= 2100
    step = 6 if is_year else max(1, value // 20)
    near = [value + sign * step * k for k in chance.sample(range(1, 6), 4) for sign in (1, -1)]
    return [str(number) for number in near if number > 0]


def _ranked(answer: Term, count: int, words: list[Entry]) -> list[str]:
    form = answer.surface.lower() if answer.kind == "word" else answer.surface
    own = ending(form)

    def cost(entry: Entry) -> float:
        value = abs(len(entry.form) - len(form)) / 4 + min(3, abs(entry.count - count) / 3)
        if answer.kind == "word":
            value += (entry.ending != own) * 2 + (entry.form.endswith("s") != form.endswith("s"))
        return value

    return [entry.form for entry in sorted(words, key=lambda e: (cost(e), e.form))]


def _fits(answer: Term, sentence: str, language: str | None, option: str) -> bool:
    """Say whether the word before the blank allows `option`: l'_____ and an _____ want a vowel, a _____ wants none."""
    before = sentence[: answer.start]
    vowel = bool(_VOWEL.match(fold(option)))
    if before.endswith(("'", "’")) or re.search(r"\ban $", before, re.I):
        return vowel
    return not (language == "en" and re.search(r"\ba $", before, re.I) and re.match(r"[aeio]", fold(option)))


def choose(
    answer: Term, sentence: str, words: dict[str, list[Entry]], count: int, language: str | None, chance: random.Random
) -> list[str] | None:
    """Return three wrong options for `answer`, or None when no three can be found.

    They are of the answer's kind, and none is a form of the answer or of a word that the sentence shows. `count` is how
    often the answer occurs in the document.
    """
    taken = {stem(word) for word in re.findall(r"\w+", sentence)} | {stem(answer.surface)}
    same = _ranked(answer, count, words.get(answer.kind, []))
    # The best few, in an order of chance: always the very nearest would repeat the same options in every question.
    head = same[: 2 * WRONG]
    chance.shuffle(head)
    if answer.kind in ("year", "number"):
        spare = _near_numbers(answer.surface, chance)
    else:
        spare = list(FALLBACK[language or "en"][answer.kind])
        chance.shuffle(spare)
    chosen: list[str] = []
    for option in head + same[2 * WRONG :] + spare:
        fresh = stem(option) not in taken and fold(option) not in map(fold, chosen)
        if fresh and _fits(answer, sentence, language, option):
            chosen.append(option)
            taken.add(stem(option))
        if len(chosen) == WRONG:
            return chosen
    return None
