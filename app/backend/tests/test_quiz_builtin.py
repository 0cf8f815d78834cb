"""What every question of the built-in generator must be."""

from __future__ import annotations

import pytest

from aiko.quiz.builtin import BLANK, BuiltinProvider
from aiko.quiz.language import detect
from aiko.quiz.sentences import split
from aiko.quiz.terms import fold
from aiko.quiz.types import QuizError
from aiko.quiz.words import STOP
from tests.samples import ENGLISH, FRENCH


def generate(text: str, count: int, seed: str = "seed"):
    """Run the generator without progress."""
    return BuiltinProvider().generate(text, count, seed, lambda _: None)


@pytest.mark.parametrize(("text", "language"), [(FRENCH, "fr"), (ENGLISH, "en")])
@pytest.mark.parametrize("count", [1, 4, 9])
def test_questions_are_well_formed(text: str, language: str, count: int) -> None:
    """The blank hides the answer, the options differ, and the explanation is a sentence of the document."""
    made = generate(text, count)
    assert made.language == language and len(made.questions) == count and made.message is None
    assert len({q.prompt for q in made.questions}) == count
    flat = " ".join(text.split())
    for q in made.questions:
        assert q.prompt.count(BLANK) == 1
        assert q.prompt.replace(BLANK, q.answer) == q.explanation
        assert q.explanation in flat
        assert q.options.count(q.answer) == 1 and len({fold(o) for o in q.options}) == 4
        assert fold(q.answer) not in fold(q.prompt).replace("-", " ").split()
        assert q.answer.lower() not in STOP[language]
        shown = fold(q.explanation).replace("'", " ").replace(",", " ").replace(".", " ").split()
        assert not [o for o in q.options if o != q.answer and fold(o) in shown], "a wrong option stands in the sentence"


def test_wrong_options_are_of_the_answers_kind() -> None:
    """A year among names would give the answer away."""
    for q in generate(ENGLISH, 9).questions + generate(FRENCH, 9).questions:
        digits = {option[0].isdigit() for option in q.options}
        capitals = {option[0].isupper() for option in q.options if not option[0].isdigit()}
        assert len(digits) == 1 and len(capitals) <= 1, q


def test_same_seed_same_quiz_other_seed_other_order() -> None:
    """A task that is delivered twice must make the same quiz."""
    assert generate(FRENCH, 6, "a") == generate(FRENCH, 6, "a")
    assert [q.options for q in generate(FRENCH, 6, "a").questions] != [
        q.options for q in generate(FRENCH, 6, "b").questions
    ]


def test_answers_are_not_always_in_the_same_place() -> None:
    """Else a pupil would learn the place and not the matter."""
    places = {q.options.index(q.answer) for text in (FRENCH, ENGLISH) for q in generate(text, 9).questions}
    assert len(places) >= 3


def test_short_texts() -> None:
    """Too little text is said, not hidden: fewer questions with a note, or none with a reason."""
    made = generate("The mitochondria produce energy for the living cell. Short one.", 5)
    assert len(made.questions) == 1 and "1 questions instead of 5" in made.message
    for text in (
        "",
        "Hello.",
        "# Only a heading",
        "word " * 50,
        "?!...",
        "Is this a question that nobody will answer today?",
    ):
        with pytest.raises(QuizError, match="too short"):
            generate(text, 3)


def test_languages() -> None:
    """It admits not to know."""
    assert detect(FRENCH) == "fr" and detect(ENGLISH) == "en"
    assert detect("Der schnelle braune Fuchs springt über den faulen Hund und läuft in den Wald hinein.") is None
    assert detect(FRENCH + ENGLISH) is None and detect("") is None and detect("12345 67") is None


def test_sentences() -> None:
    """Abbreviations, initials, numbers, headings, lists and broken lines do not break sentences."""
    assert split("M. Dupont et Mme. Curie vivent à Paris. Ils ont 3.5 enfants, p. ex. deux. Fini !") == [
        "M. Dupont et Mme. Curie vivent à Paris.",
        "Ils ont 3.5 enfants, p. ex. deux.",
        "Fini !",
    ]
    assert split("J. R. Smith met Dr. Jones, i.e. The Doctor. Then he left.") == [
        "J. R. Smith met Dr. Jones, i.e. The Doctor.",
        "Then he left.",
    ]
    assert split(
        "# Heading\nA line that goes\non here. And **bold** [link](http://x.test) text.\n- Item one.\n- Item two."
    ) == ["A line that goes on here.", "And bold link text.", "Item one.", "Item two."]
    assert split("The experi-\nment worked. « Oui », dit-il.") == ["The experiment worked.", "« Oui », dit-il."]


def test_large_text_is_quick() -> None:
    """A long document must not run into the task's time limit."""
    import time

    text = "\n".join(
        f"The number {n} belongs to the family of value{n % 700} and follows object{n % 900} closely."
        for n in range(15_000)
    )
    started = time.monotonic()
    assert len(generate(text, 50).questions) == 50
    assert time.monotonic() - started < 25
