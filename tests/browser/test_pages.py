"""What the frontend is made of: pages made ahead and on demand, pictures, chunks, cookies, policies."""

from __future__ import annotations

import json
import re
import urllib.parse

import pytest

testinfra_hosts = ["ansible://proxy"]

# Of the home page, compressed as it goes over the line.
SCRIPT_LIMIT = 150_000


@pytest.mark.ledger("FE2")
def test_home_is_made_ahead_and_light(person):
    """It is the page of those who do not know us yet, on any phone and any line."""
    visitor = person("en", "phone")
    sizes: dict[str, int] = {}
    network = visitor.context.new_cdp_session(visitor.page)
    network.send("Network.enable")
    scripts = {}
    network.on("Network.responseReceived", lambda event: scripts.update({event["requestId"]: event["response"]["url"]})
               if event["type"] == "Script" else None)  # fmt: skip
    network.on("Network.loadingFinished", lambda event: sizes.update({scripts[event["requestId"]]: event["encodedDataLength"]})
               if event["requestId"] in scripts else None)  # fmt: skip
    answer = visitor.page.goto("/", wait_until="networkidle")
    assert set(answer.headers["x-nextjs-prerender"].split()) == {"1"}
    assert len(sizes) >= 2, "the code is split"
    assert 0 < sum(sizes.values()) < SCRIPT_LIMIT, sizes
    for url in sizes:
        asset = visitor.ask("GET", urllib.parse.urlsplit(url).path, headers={"Accept-Encoding": "gzip"})
        assert "immutable" in asset.headers["cache-control"]
        assert asset.headers["content-encoding"] == "gzip"


@pytest.mark.ledger("FE2")
def test_pictures_are_made_to_measure(person):
    """The picture of the home page comes in the size and form that this screen needs."""
    visitor = person("en", "phone")
    visitor.page.goto("/", wait_until="networkidle")
    source = visitor.main("img").first.evaluate("image => image.currentSrc")
    assert "/_next/image?" in source
    address = urllib.parse.urlsplit(source)
    picture = visitor.ask("GET", f"{address.path}?{address.query}", headers={"Accept": "image/webp,*/*"})
    assert (picture.status, picture.headers["content-type"]) == (200, "image/webp")
    for foreign in ("%2Fetc%2Fpasswd", "https%3A%2F%2Fexample.com%2Fx.png"):
        assert visitor.ask("GET", f"/_next/image?url={foreign}&w=480&q=75").status == 400


@pytest.mark.ledger("FE2")
def test_overview_is_rendered_with_live_data(person, account):
    """The first answer holds the figures, for slow devices and for readers of pages without scripts."""
    teacher = person()
    teacher.sign_up(account["email"], account["password"], "Ada L.", "teacher")
    page = teacher.ask("GET", "/overview", headers={"Accept-Language": "en"})
    assert teacher.say("overview.recent.none") in page.body.decode()
    assert "no-store" in page.headers["cache-control"]


@pytest.mark.ledger("FE3")
def test_session_is_out_of_the_reach_of_scripts(person, account):
    """Whoever gets a script into a page must not get the session with it."""
    teacher = person()
    teacher.sign_up(account["email"], account["password"], "Ada L.", "teacher")
    cookie = next(one for one in teacher.context.cookies() if "session" in one["name"])
    assert cookie["name"].startswith("__Host-")
    assert (cookie["httpOnly"], cookie["secure"], cookie["sameSite"], cookie["path"]) == (True, True, "Lax", "/")
    stored = teacher.page.evaluate("JSON.stringify([document.cookie, {...localStorage}, {...sessionStorage}])")
    assert cookie["value"] not in stored and "access_token" not in stored
    assert "eyJ" not in teacher.page.content() + stored, "no token in the page either"
    who = teacher.ask("GET", "/api/session").json
    assert who["user"]["email"] == account["email"] and "token" not in json.dumps(who)


@pytest.mark.ledger("FE3", "NX3")
@pytest.mark.parametrize("path", ["/api/session", "/api/session/register", "/api/bff/quizzes"])
def test_foreign_pages_cannot_act_for_a_person(site, path):
    """Cookies go along with requests that another site starts; the answer must not."""
    for headers in ({"Origin": "https://evil.example.com"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}):
        answer = site.ask("POST", path, body={}, headers=headers)
        assert answer.status == 403, headers
        assert answer.headers["content-type"].startswith("application/problem+json")


@pytest.mark.ledger("NX7", "FE2")
@pytest.mark.parametrize("path", ["/", "/login", "/nowhere"])
def test_policy_allows_only_our_own_scripts(person, path):
    """`unsafe-inline` would allow whatever somebody managed to write into a page."""
    visitor = person()
    answer = visitor.page.goto(path)
    policy = dict(part.strip().partition(" ")[::2] for part in answer.headers["content-security-policy"].split(";"))
    assert "unsafe-inline" not in policy["script-src"] and "unsafe-eval" not in policy["script-src"]
    assert re.search("'(nonce|sha256)-", policy["script-src"])
    assert (policy["frame-ancestors"], policy["object-src"], policy["base-uri"]) == ("'none'", "'none'", "'self'")
    # And it is enforced, wherever the code is put.
    broken = visitor.page.evaluate("""() => new Promise(resolve => {
        document.addEventListener('securitypolicyviolation', event => resolve(event.effectiveDirective));
        document.body.insertAdjacentHTML('beforeend', '<img src="data:," onerror="window.hurt = true">');
    })""")
    assert broken == "script-src-attr"
    assert visitor.page.evaluate("window.hurt") is None
    # The browser complained, as it should.
    visitor.complaints.clear()


@pytest.mark.ledger("FE1", "NX3")
def test_health_says_which_release(site, host):
    """After a deploy this is the first question."""
    answer = site.ask("GET", "/api/health")
    assert answer.status == 200
    told = json.loads(host.check_output("sudo aiko-release --part frontend status"))
    assert answer.json == {"status": "ok", "release": told["serving"]}
