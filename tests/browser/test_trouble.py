"""When something is wrong: people are told what to do, and what they typed is still there."""

from __future__ import annotations

import re

import pytest

from tests.browser.test_lesson import LESSON

pytestmark = pytest.mark.any_release
testinfra_hosts = ["ansible://proxy"]


@pytest.fixture
def teacher(person, account):
    """Somebody with an account, at the list of documents."""
    one = person("en", "desktop", "trouble")
    one.sign_up(account["email"], account["password"], "Ada L.", "teacher")
    return one


def opens_a_quiz(teacher) -> None:
    """Upload, make a quiz of three questions, and open it."""
    teacher.upload("lesson.txt", LESSON)
    teacher.main("list").get_by_role("link").first.click()
    teacher.field("maker.number").fill("3")
    teacher.button("maker.submit").click()
    teacher.link("quiz.open").click()
    teacher.button("quiz.submit").wait_for()


@pytest.mark.ledger("FE2", "BE2")
def test_backend_that_is_away_costs_nobody_their_answers(teacher, runs):
    """Twenty minutes of answers lost to a restart is what people remember of a platform."""
    opens_a_quiz(teacher)
    radios = teacher.main("radio")
    for n in range(3):
        teacher.page.get_by_role("group", name=re.compile(f"^Question {n + 1}")).get_by_role("radio").nth(1).check()
    backend = runs("backend")
    backend.check_output("sudo systemctl stop aiko-backend.socket aiko-backend.service")
    try:
        teacher.button("quiz.submit").click()
        teacher.text("trouble.away").wait_for()
        teacher.look("backend-away")
        assert radios.evaluate_all("all => all.filter(one => one.checked).length") == 3
        # A reload in despair, too.
        teacher.page.reload()
        teacher.look("backend-away-page")
    finally:
        backend.check_output("sudo systemctl start aiko-backend.socket aiko-backend.service")
    teacher.page.reload()
    teacher.text("quiz.answered", n=3, total=3).wait_for()
    teacher.button("quiz.submit").click()
    teacher.page.wait_for_url("**/attempts/**")
    teacher.page.get_by_text("right out of 3").first.wait_for()


@pytest.mark.ledger("FE3", "RD5")
def test_ended_session_leads_back_to_where_one_was(teacher, account, runs):
    """Sessions end while people think; they must find their page and their words again."""
    opens_a_quiz(teacher)
    teacher.page.get_by_role("group", name=re.compile("^Question 1")).get_by_role("radio").nth(1).check()
    where = teacher.page.url
    runs("redis").check_output(
        "sudo sh -c \"aiko-redis queue -n 2 --scan --pattern 'session:*' | xargs --no-run-if-empty aiko-redis queue -n 2 DEL\"")
    teacher.button("quiz.submit").click()
    teacher.button("quiz.missing.submit").click()
    teacher.page.wait_for_url("**/login**")
    teacher.text("login.ended").wait_for()
    teacher.look("session-ended")
    teacher.log_in(**account)
    assert teacher.page.url == where
    teacher.text("quiz.answered", n=1, total=3).wait_for()


@pytest.mark.ledger("FE2")
def test_slow_network_shows_progress(teacher):
    """Without a sign of life people press the button again, and again."""
    # 1 Mbit/s up, with the delay of a bad mobile network.
    network = teacher.context.new_cdp_session(teacher.page)
    network.send("Network.enable")
    network.send("Network.emulateNetworkConditions",
                 {"offline": False, "latency": 400, "downloadThroughput": 60_000, "uploadThroughput": 125_000})
    seen = teacher.page.evaluate_handle("""() => {
        const seen = new Set();
        new MutationObserver(() => {
            const bar = document.querySelector('[role=progressbar], progress');
            if (bar) seen.add(bar.getAttribute('aria-valuenow') ?? String(bar.value));
        }).observe(document.body, {subtree: true, childList: true, attributes: true});
        return seen;
    }""")
    teacher.upload("long.txt", LESSON + b"La pluie tombe sur la plaine pendant la nuit.\n" * 8000)
    teacher.page.get_by_role("progressbar").wait_for()
    teacher.look("uploading")
    teacher.page.get_by_role("progressbar").wait_for(state="detached", timeout=60_000)
    assert seen.evaluate("seen => seen.size") >= 3, "a bar that jumps from nothing to done is none"
    teacher.main("list").get_by_role("link").first.wait_for()


@pytest.mark.ledger("FE2", "BE5")
@pytest.mark.parametrize(
    ("name", "content", "key"),
    [
        ("huge.txt", b"x" * (21 * 2**20), "upload.tooLarge"),
        ("program.exe", b"MZ" + bytes(1000), "upload.wrongType"),
        # Its name lies; only the server can tell.
        ("lesson.pdf", b"MZ" + bytes(1000), "upload.refused.type"),
    ],
)
def test_unfit_file_is_refused_in_words(teacher, name, content, key):
    """`413` helps nobody; the limit and the kinds that are taken do."""
    teacher.upload(name, content)
    teacher.page.get_by_text(teacher.pattern(key)).wait_for()
    teacher.look(f"refused-{name}")


@pytest.mark.ledger("FE2")
def test_wrong_password_and_taken_address_are_said_at_the_form(person, account):
    """What was typed stays, but for the password."""
    teacher = person()
    teacher.sign_up(account["email"], account["password"], "Ada L.", "teacher")
    other = person("en", "phone", "trouble-phone")
    other.page.goto("/login")
    other.field("field.email").fill(account["email"])
    other.field("field.password").fill("not-the-password")
    other.button("login.submit").click()
    other.text("login.wrong").wait_for()
    assert other.field("field.email").input_value() == account["email"]
    other.look("wrong-password")
    other.page.goto("/signup")
    other.fill_account("not an address", "short", "", "student")
    other.button("signup.submit").click()
    other.text("field.email.bad").wait_for()
    other.look("sign-up-refused")
    other.fill_account(account["email"], "long-enough-1", "Somebody", "student")
    other.button("signup.submit").click()
    other.text("signup.taken").wait_for()


@pytest.mark.ledger("FE2")
def test_page_that_does_not_exist(person):
    """An answer of 404, and a way back."""
    lost = person("fr", "phone", "trouble-phone")
    answer = lost.page.goto("/nulle/part")
    assert answer.status == 404
    lost.heading("notFound.title").wait_for()
    lost.look("not-found")


@pytest.mark.ledger("BE2", "OP5", "FE2")
def test_status_page_is_for_operators(teacher, account, runs):
    """How full the disks and queues are is nobody's business but theirs; and the role is given on the host alone."""
    answer = teacher.page.goto("/status")
    assert answer.status == 403
    teacher.heading("forbidden.title").wait_for()
    teacher.look("status-forbidden")
    assert teacher.ask("GET", "/api/bff/status").status == 403
    runs("backend").check_output(f"sudo aiko-run python -m aiko.users set-role {account['email']} operator")
    teacher.page.goto("/documents")
    teacher.log_out()
    teacher.page.goto("/login")
    teacher.log_in(**account)
    answer = teacher.page.goto("/status")
    assert answer.status == 200
    teacher.text("status.good").wait_for()
    for name in ("default", "ai_tasks", "priority"):
        teacher.page.get_by_text(name, exact=True).first.wait_for()
    teacher.look("status")
