"""Finds the terms of a text that are worth asking for, and what kind of word each is."""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter, defaultdict
from dataclasses import dataclass
from functools import lru_cache

WORD = re.compile(r"\d+(?:[.,]\d+)*|[^\W\d_]+(?:-[^\W\d_]+)*")
# l'eau, qu'elle, d'abord: the part before the apostrophe is no term.
_ELISION = re.compile(r"(?<![^\W\d_])(?:[cdjlmnst]|qu|jusqu|lorsqu|puisqu)['’]", re.I)
_ENDINGS = (
    "tion",
    "sion",
    "ment",
    "ance",
    "ence",
    "isme",
    "ique",
    "eur",
    "eux",
    "euse",
    "té",
    "ité",
    "age",
    "ure",
    "able",
    "ible",
    "ness",
    "ship",
    "ity",
    "ism",
    "ist",
    "ous",
    "ive",
    "ful",
    "less",
    "ing",
    "ed",
    "ly",
    "er",
    "ir",
    "al",
)
MIN_LETTERS = 4


@lru_cache(maxsize=50_000)
def fold(word: str) -> str:
    """Return `word` without case and accents, for comparing."""
    return "".join(c for c in unicodedata.normalize("NFKD", word.casefold()) if not unicodedata.combining(c))


@lru_cache(maxsize=50_000)
def stem(word: str) -> str:
    """Return a crude stem, good enough to see that two options are forms of one word."""
    folded = fold(word)
    for ending in (
        "ations",
        "ation",
        "ements",
        "ement",
        "ments",
        "ment",
        "ings",
        "ing",
        "aux",
        "eux",
        "ies",
        "es",
        "ed",
        "s",
        "x",
        "e",
    ):
        if folded.endswith(ending) and len(folded) - len(ending) >= MIN_LETTERS:
            return folded[: -len(ending)]
    return folded


@dataclass(frozen=True)
class Term:
    """A word in one of its places: sentence number, character span, surface form and kind."""

    sentence: int
    start: int
    end: int
    surface: str
    kind: str

    @property
    def key(self) -> str:
        """Return the form under which equal terms are counted."""
        return fold(self.surface)


def ending(word: str) -> str:
    """Return the longest known word ending, or an empty string; words with the same one tend to fit the same place."""
    plural = "s" if word.endswith("s") else ""
    bare = word[:-1] if plural else word
    return max((e for e in _ENDINGS if bare.endswith(e)), key=len, default="") + plural


def _raw_kind(surface: str, first: bool) -> str:
    if surface[0].isdigit():
        return "year" if re.fullmatch(r"1\d{3}|20\d{2}", surface) else "number"
    return "name" if surface[0].isupper() and not first else "word"


def find(sentences: list[str], stop: frozenset[str]) -> list[Term]:
    """Return all terms that are not stop words. A word that is capitalised inside sentences is a name everywhere."""
    found: list[Term] = []
    for number, sentence in enumerate(sentences):
        for match in WORD.finditer(_ELISION.sub(lambda m: " " * len(m.group()), sentence)):
            surface = match.group()
            if surface.lower() in stop or (not surface[0].isdigit() and len(surface) < MIN_LETTERS):
                continue
            first = not WORD.search(sentence[: match.start()])
            found.append(Term(number, match.start(), match.end(), surface, _raw_kind(surface, first)))
    seen: dict[str, Counter[str]] = defaultdict(Counter)
    for term in found:
        if term.kind in ("name", "word") and WORD.search(sentences[term.sentence][: term.start]):
            seen[term.key][term.kind] += 1
    names = {key for key, kinds in seen.items() if kinds["name"] > kinds["word"]}
    return [
        term
        if term.kind in ("year", "number")
        else Term(term.sentence, term.start, term.end, term.surface, "name" if term.key in names else "word")
        for term in found
    ]


def weights(terms: list[Term], sentences: int) -> dict[str, float]:
    """Return the TF-IDF weight of each term, with the sentences as the documents of the background."""
    frequency = Counter(term.key for term in terms)
    spread = Counter(key for key, _ in {(term.key, term.sentence) for term in terms})
    return {key: (1 + math.log(count)) * math.log(1 + sentences / spread[key]) for key, count in frequency.items()}
