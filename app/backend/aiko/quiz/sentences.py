"""Splits running text into sentences, with an eye on abbreviations, headings and broken lines."""

from __future__ import annotations

import re

from aiko.quiz.words import ABBREVIATIONS

_FENCE = re.compile(r"```.*?```", re.S)
_LINK = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")
_MARKS = re.compile(r"(\*\*|__|`|(?<!\w)[*_](?=\S)|(?<=\S)[*_](?!\w))")
_STARTS_BLOCK = re.compile(r"^\s*(#{1,6}\s|[-*+•]\s|\d{1,3}[.)]\s|>\s?|\|)")
_END = re.compile(r"([.!?…]+[\"»”’)\]]*)\s+(?=[\"«“(\[]?\s?[A-ZÀ-ÖØ-Þ0-9])")


def _blocks(text: str) -> list[str]:
    """Return paragraphs as single lines; headings and list items stand alone, lines broken by a PDF are joined."""
    text = _LINK.sub(r"\1", _FENCE.sub("\n\n", text))
    text = re.sub(r"(?<=[^\W\d_])[-\u00ad]\n(?=[a-zà-öø-ÿ])", "", text)
    found: list[str] = []
    open_block = False
    for line in text.split("\n"):
        bare = line.strip()
        if not bare:
            open_block = False
            continue
        starts = _STARTS_BLOCK.match(line)
        clean = _MARKS.sub("", _STARTS_BLOCK.sub("", line, count=1)).strip()
        if starts or not open_block or not found:
            found.append(clean)
        else:
            found[-1] += " " + clean
        open_block = not line.lstrip().startswith("#")
    return [re.sub(r"\s+", " ", block) for block in found if block]


def _is_abbreviation(before: str) -> bool:
    word = re.search(r"(\S+)$", before)
    if not word:
        return False
    bare = word.group(1).strip('(«"“[').lower()
    # A single capital is an initial ("J. Verne"); a list number was cut off with its block.
    return bare in ABBREVIATIONS or bool(re.fullmatch(r"[^\W\d_]|([^\W\d_]\.)+[^\W\d_]", bare))


def split(text: str) -> list[str]:
    """Return the sentences of `text` in order; pieces without an end mark, such as headings, are left out."""
    found: list[str] = []
    for block in _blocks(text):
        start = 0
        for end in _END.finditer(block):
            if end.group(1).startswith(".") and len(end.group(1)) == 1 and _is_abbreviation(block[start : end.start()]):
                continue
            found.append(block[start : end.end(1)].strip())
            start = end.end()
        found.append(block[start:].strip())
    return [sentence for sentence in found if re.search(r"[.!?…][\"»”’)\]]*$", sentence)]
