"""What a teacher and a student do, through nginx over https, from another machine."""

from __future__ import annotations

import concurrent.futures

import pytest

testinfra_hosts = ["ansible://proxy"]

LESSON = """# La photosynthèse

La photosynthèse est le processus par lequel les plantes vertes produisent de la matière organique.
La chlorophylle absorbe la lumière du soleil dans les feuilles de la plante.
Les plantes transforment le dioxyde de carbone et l'eau en glucose grâce à l'énergie lumineuse.
L'oxygène est rejeté dans l'atmosphère par les stomates pendant la journée.
Le glucose produit nourrit les racines, les tiges et les fruits de la plante.
Les chloroplastes sont les organites qui contiennent la chlorophylle des cellules végétales.
La respiration cellulaire consomme une partie du glucose durant la nuit.
Sans la photosynthèse, la vie animale sur la Terre ne pourrait pas exister.
""".encode()


@pytest.mark.ledger("NX2", "BE2")
def test_health_is_open_to_everybody(site):
    """Load balancers and people look here first."""
    answer = site.ask("GET", "/health")
    assert answer.status == 200, answer.body


@pytest.mark.ledger("NX2", "BE4", "BE5", "PG3", "CE2")
def test_from_document_to_score(site, account):
    """The platform's purpose: every service has to do its part for the score to appear."""
    _, _, token = account
    uploaded = site.upload(token, "leçon.md", LESSON)
    assert uploaded.status == 201, uploaded.body
    document = uploaded.json["id"]
    for words in ("photosynthese", "photosynth%C3%A8se"):
        found = site.patient("GET", f"/api/documents?q={words}", token=token)
        assert found.status == 200, found.body
        assert document in str(found.json), f"'{words}' does not find the document: {found.body!r}"
    asked = site.patient("POST", "/api/quizzes", token=token, body={"document_id": document, "questions": 4})
    assert asked.status == 202, asked.body
    quiz, task = asked.json["id"], asked.json["task_id"]
    done = site.until(f"/api/tasks/{task}", token, lambda answer: answer.json.get("state") in ("SUCCESS", "FAILURE"))
    assert done.json["state"] == "SUCCESS", done.body
    questions = site.patient("GET", f"/api/quizzes/{quiz}", token=token).json["questions"]
    assert len(questions) == 4
    answers = {question["id"]: question["options"][0] for question in questions}
    attempt = site.patient("POST", f"/api/quizzes/{quiz}/attempts", token=token, body={"answers": answers})
    assert attempt.status == 202, attempt.body
    scored = site.until(
        f"/api/quizzes/{quiz}/attempts/{attempt.json['id']}", token, lambda answer: answer.json.get("score") is not None)
    assert 0 <= scored.json["score"] <= 100, scored.body


@pytest.mark.ledger("BE4")
def test_the_interface_is_described(site):
    """Whoever writes a client reads this, and only this."""
    document = site.patient("GET", "/api/openapi.json").json
    assert document["openapi"].startswith("3.")
    assert {"/api/auth/login", "/api/documents", "/api/quizzes"} <= set(document["paths"])


@pytest.mark.ledger("BE4")
def test_a_wrong_password_says_401_and_no_more(site, account):
    """An answer that tells known accounts from unknown ones is a list of accounts."""
    email, _, _ = account
    wrong = site.patient("POST", "/api/auth/login", body={"email": email, "password": "wrong-password-1"})
    unknown = site.patient("POST", "/api/auth/login", body={"email": "nobody@example.com", "password": "wrong-password-1"})
    assert wrong.status == unknown.status == 401
    assert wrong.json["detail"] == unknown.json["detail"]


@pytest.mark.ledger("NX4")
def test_a_burst_is_told_to_slow_down(site):
    """One eager client must not take the site from the others; /health stays free for the load balancer."""
    with concurrent.futures.ThreadPoolExecutor(4) as clients:
        answers = [answer for answers in clients.map(lambda _: site.hurry("/api/documents", 40), range(4)) for answer in answers]
    refused = [answer for answer in answers if answer.status == 429]
    assert refused, "160 requests on four connections were all served"
    assert all("retry-after" in answer.headers for answer in refused)
    assert all(site.ask("GET", "/health").status == 200 for _ in range(100))


@pytest.mark.ledger("BE2", "BE3")
@pytest.mark.parametrize("path", ["/metrics", "/health/detailed", "/health/ready", "/health/live"])
def test_the_inside_is_not_shown_outside(site, path):
    """Metrics and dependencies tell an attacker where to push."""
    assert site.ask("GET", path).status in (403, 404)
