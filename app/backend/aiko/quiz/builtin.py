"""The generator that needs nothing but the text: sentences of the document with one key term left out."""

from __future__ import annotations

import random
import re
from collections import Counter

from aiko.quiz import distractors, sentences
from aiko.quiz.language import detect
from aiko.quiz.terms import Term, find, weights
from aiko.quiz.types import Made, MadeQuestion, Progress, QuizError
from aiko.quiz.words import STOP

BLANK = "_____"
FEWEST_WORDS, MOST_WORDS = 6, 45
# A sentence that begins so leans on the one before it and is hard to answer alone.
_LEANING = re.compile(
    r"^(il|elle|ils|elles|ce|cela|ceci|celui|celle|c['’]est|mais|et|donc|this|these|that|those|it|they|he|she|but|"
    r"and|so|such)\b",
    re.I,
)
_BONUS = {"name": 1.4, "year": 1.3, "number": 1.1, "word": 1.0}


def _usable(sentence: str) -> bool:
    return (
        FEWEST_WORDS <= len(sentence.split()) <= MOST_WORDS
        and not sentence.rstrip('"»”’)] ').endswith("?")
        and BLANK not in sentence
    )


def _candidates(found: list[str], terms: list[Term]) -> list[tuple[float, Term]]:
    weight = weights(terms, len(found))
    in_sentence = Counter((term.sentence, term.key) for term in terms)
    scored = []
    for term in terms:
        sentence = found[term.sentence]
        # A term that stands there twice would give itself away; one at the beginning gives away its capital.
        if (
            not _usable(sentence)
            or in_sentence[term.sentence, term.key] > 1
            or (term.start < 2 and term.kind == "word")
        ):
            continue
        score = weight[term.key] * _BONUS[term.kind] * (0.5 if _LEANING.match(sentence) else 1.0)
        scored.append((score, term))
    return sorted(scored, key=lambda pair: (-pair[0], pair[1].sentence, pair[1].start))


class BuiltinProvider:
    """Cloze questions, the same for the same text, count and seed."""

    def generate(self, text: str, count: int, seed: str, progress: Progress) -> Made:
        """See Provider. Raises QuizError when not even one question can be made."""
        language = detect(text)
        stop = STOP[language] if language else STOP["fr"] | STOP["en"]
        # A sentence that the text repeats (page headers) must not be asked twice.
        found = list(dict.fromkeys(sentences.split(text)))
        progress(0.2)
        terms = find(found, stop)
        frequency, words = Counter(term.key for term in terms), distractors.vocabulary(terms)
        chance = random.Random(seed)  # noqa: S311  (repeatable on purpose, nothing secret)
        picked: dict[int, tuple[Term, MadeQuestion]] = {}
        answers: set[str] = set()
        # Each answer once, then, if that is not enough, again in other sentences.
        ranked = _candidates(found, terms)
        for repeat in (False, True):
            for _, term in ranked:
                if len(picked) >= count:
                    break
                if term.sentence in picked or (not repeat and term.key in answers):
                    continue
                sentence = found[term.sentence]
                wrong = distractors.choose(term, sentence, words, frequency[term.key], language, chance)
                if wrong is None:
                    continue
                options = [term.surface, *wrong]
                chance.shuffle(options)
                prompt = sentence[: term.start] + BLANK + sentence[term.end :]
                picked[term.sentence] = (term, MadeQuestion(prompt, options, term.surface, sentence))
                answers.add(term.key)
        progress(0.9)
        questions = [picked[number][1] for number in sorted(picked)]
        if not questions:
            raise QuizError(
                "the text is too short for a quiz: it needs at least one full sentence of six words or more"
            )
        notes = []
        if len(questions) < count:
            notes.append(f"the text gave {len(questions)} questions instead of {count}")
        if language is None:
            notes.append("the language was not recognised as French or English, so the questions may be weak")
        return Made(questions, language, "; ".join(notes) or None)
