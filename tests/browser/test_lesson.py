"""The whole story, from a teacher's sign-up to a student's score, by mouse and keyboard, in two languages and on two screens."""

from __future__ import annotations

import re
import uuid

import pytest

from tests.browser.person import Person

testinfra_hosts = ["ansible://proxy"]

LESSON = """# Le cycle de l'eau

L'évaporation transforme l'eau liquide des océans en vapeur sous l'effet de la chaleur du soleil.
La condensation transforme la vapeur d'eau en gouttelettes qui forment les nuages.
Les précipitations ramènent l'eau des nuages vers la surface de la Terre sous forme de pluie ou de neige.
Le ruissellement conduit l'eau de pluie vers les rivières, les lacs et les océans.
L'infiltration fait pénétrer une partie de l'eau dans le sol jusqu'aux nappes souterraines.
La transpiration des plantes rejette de la vapeur d'eau dans l'atmosphère pendant la journée.
""".encode()


def makes_a_quiz(teacher: Person, number: int) -> str:
    """From the list of documents to a share link, which is returned."""
    page = teacher.page
    teacher.upload("cycle-de-l-eau.md", LESSON)
    page.get_by_text(teacher.pattern("upload.done")).wait_for()
    search = teacher.field("documents.search")
    search.fill("absent-partout")
    teacher.text("documents.search.none", q="absent-partout").wait_for()
    teacher.look("search-finds-nothing")
    # Without the accent that the text has.
    search.fill("evaporation")
    teacher.text("documents.count", n=1).wait_for()
    teacher.look("documents")
    teacher.main("list").get_by_role("link").filter(has_text=re.compile("cycle", re.IGNORECASE)).first.click()
    teacher.heading("maker.title").wait_for()
    teacher.field("maker.number").fill(str(number))
    teacher.look("document")
    teacher.button("maker.submit").click()
    teacher.text("task.done.quiz").wait_for()
    teacher.link("quiz.open").click()
    teacher.button("share.make").click()
    link = teacher.field("share.link")
    link.wait_for()
    teacher.look("quiz-of-the-teacher")
    return link.input_value()


def answers(student: Person, number: int) -> None:
    """Take the quiz with the keyboard alone, and hand it in."""
    page = student.page
    for n in range(1, number + 1):
        group = page.get_by_role("group", name=re.compile(f"^{re.escape(student.say('quiz.question', n=n, total=number))}"))
        group.get_by_role("radio").first.focus()
        page.keyboard.press("Space")
        if n % 2:
            page.keyboard.press("ArrowDown")
    student.text("quiz.answered", n=number, total=number).wait_for()
    student.look("quiz-answered")
    student.button("quiz.submit").focus()
    page.keyboard.press("Enter")


@pytest.mark.ledger("FE1", "FE2", "FE3", "NX2", "NX3", "BE4", "CE2")
@pytest.mark.parametrize(("locale", "size", "dark"), [("fr", "desktop", False), ("en", "phone", True)], ids=["fr-desktop", "en-phone-dark"])
def test_from_sign_up_to_score(person, locale, size, dark):
    """What the platform is for; every service has a part in it, and a person sees all of it."""
    secret = uuid.uuid4().hex
    teacher = person(locale, size, f"{locale}-{size}/teacher", dark=dark)
    teacher.page.goto("/")
    assert teacher.page.locator("html").get_attribute("lang") == locale
    teacher.look("home")
    teacher.main("link", name=teacher.say("home.start")).click()
    teacher.heading("signup.title").wait_for()
    teacher.fill_account(f"t-{secret}@example.com", secret, "Ada L.", "teacher")
    teacher.look("sign-up")
    teacher.button("signup.submit").click()
    teacher.heading("documents.title").wait_for()
    link = makes_a_quiz(teacher, 4)

    student = person(locale, size, f"{locale}-{size}/student", dark=dark)
    student.page.goto(link)
    student.page.wait_for_url("**/login**")
    student.look("log-in")
    student.main("link", name=student.say("nav.signup")).click()
    student.heading("signup.title").wait_for()
    student.fill_account(f"s-{secret}@example.com", secret, "Emmy N.", "student")
    student.button("signup.submit").click()
    # Back where the link led to.
    student.page.wait_for_url("**/join/**")
    student.look("invited")
    student.page.get_by_role("main").get_by_text(student.say("join.start"), exact=True).click()
    answers(student, 4)
    scores = "|".join(re.escape(student.say("attempt.score", n=right, right=right, total=4)) for right in range(5))
    student.page.get_by_text(re.compile(f"^({scores})$")).first.wait_for()
    assert student.page.get_by_text(student.say("attempt.why"), exact=True).count() == 4
    student.look("score")

    teacher.page.goto("/overview")
    row = teacher.page.get_by_role("row").filter(has_text="Emmy N.")
    row.wait_for()
    teacher.look("overview")
    teacher.log_out()
    teacher.page.goto("/documents")
    teacher.page.wait_for_url("**/login**")


@pytest.mark.ledger("FE2")
def test_language_follows_the_browser_and_then_the_choice(person):
    """A page that speaks the wrong language to a screen reader is unreadable; a choice that is forgotten is none."""
    somebody = person("en")
    somebody.page.goto("/")
    assert somebody.page.locator("html").get_attribute("lang") == "en"
    french = somebody.page.get_by_role("group", name=somebody.say("settings.language")).get_by_text("FR")
    french.click()
    somebody.page.locator("html[lang=fr]").wait_for()
    somebody.page.goto("/login")
    assert somebody.page.locator("html").get_attribute("lang") == "fr"
    again = person("fr")
    again.page.goto("/")
    assert again.page.locator("html").get_attribute("lang") == "fr"


@pytest.mark.ledger("FE2")
def test_deleting_asks_first(person, account):
    """One slip must not cost a lesson with all its quizzes."""
    teacher = person()
    teacher.sign_up(account["email"], account["password"], "Ada L.", "teacher")
    teacher.upload("lesson.txt", LESSON)
    delete = teacher.page.get_by_role("button", name=re.compile(f"^{teacher.say('documents.delete')} .+"))
    delete.wait_for()
    delete.click()
    dialog = teacher.page.get_by_role("dialog")
    dialog.get_by_role("button", name=teacher.say("dialog.cancel")).click()
    assert delete.count() == 1
    delete.click()
    teacher.look("asked")
    dialog.get_by_role("button", name=teacher.say("documents.delete"), exact=True).click()
    teacher.heading("documents.none.title").wait_for()
