"""Chooses wrong options that could be right at a glance."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterable

from aiko.quiz.terms import Term, ending, fold, stem
from aiko.quiz.words import FALLBACK

WRONG = 3


def _near_numbers(answer: str, chance: random.Random) -> list[str]:
    """Return numbers in the neighbourhood of `answer`, written the same way."""
    if not re.fullmatch(r"\d{1,15}", answer):
        mark = "," if "," in answer else "."
        head, _, tail = answer.rpartition(mark)
        steps = chance.sample(range(1, 8), 4)
        return [f"{head}{mark}{(int(tail) + step) % 10 ** len(tail):0{len(tail)}d}" for step in steps]
    value = int(answer)
    step = max(1, value // 20 if value < 1000 or value > 2100 else 6)
    return [
        str(value + sign * step * k)
        for k in chance.sample(range(1, 6), 4)
        for sign in (1, -1)
        if value + sign * step * k > 0
    ]


def _ranked(answer: Term, terms: Iterable[Term], frequency: Counter[str]) -> list[str]:
    best: dict[str, tuple[float, str]] = {}
    for term in terms:
        if term.kind != answer.kind or term.sentence == answer.sentence:
            continue
        cost = abs(len(term.surface) - len(answer.surface)) / 4 + abs(frequency[term.key] - frequency[answer.key]) / 3
        if answer.kind == "word":
            cost += 0 if ending(term.surface) == ending(answer.surface) else 2
            cost += 1 if term.surface.endswith("s") != answer.surface.endswith("s") else 0
        form = term.surface if answer.kind != "word" else term.surface.lower()
        if term.key not in best or (cost, form) < best[term.key]:
            best[term.key] = (cost, form)
    return [form for _, form in sorted(best.values())]


def choose(
    answer: Term, sentence: str, terms: list[Term], frequency: Counter[str], language: str | None, chance: random.Random
) -> list[str] | None:
    """Return three wrong options for `answer`, or None when no three can be found.

    They are of the answer's kind, from other sentences, none a form of the answer or of a word that the sentence shows.
    """
    taken = {stem(word) for word in re.findall(r"\w+", sentence)} | {stem(answer.surface)}
    same = _ranked(answer, terms, frequency)
    # The best few, in an order of chance: always the very nearest would repeat the same options in every question.
    head = same[: 2 * WRONG]
    chance.shuffle(head)
    spare: list[str] = []
    if answer.kind in ("year", "number"):
        spare = _near_numbers(answer.surface, chance)
    else:
        spare = list(FALLBACK[language or "en"][answer.kind])
        chance.shuffle(spare)
    chosen: list[str] = []
    for option in head + same[2 * WRONG :] + spare:
        if stem(option) not in taken and fold(option) not in map(fold, chosen):
            chosen.append(option)
            taken.add(stem(option))
        if len(chosen) == WRONG:
            return chosen
    return None
