"""A person at a browser: headless Chromium on the controller, which finds the deployed site by its name.

Labels are looked up in the frontend's own dictionaries, so that a better wording does not break a test, and a page in the
wrong language does.
"""

from __future__ import annotations

import pathlib
import re
import shutil

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Error, Page

from tests.conformance.conftest import Answer, Site

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCREENS = ROOT / "artefacts/screenshots"
SIZES = {"desktop": {"width": 1280, "height": 800}, "phone": {"width": 360, "height": 740}}
# What a person must not meet; smaller findings are for whoever works on the pages.
GRAVE = ("serious", "critical")


def chromium() -> str:
    """Where Debian's Chromium is; AssertionError where it is not."""
    found = shutil.which("chromium")
    assert found, "chromium is not installed; run: python3 -m tests.lab setup --browser"
    return found


def words(locale: str) -> dict[str, str]:
    """The frontend's dictionary of a language."""
    text = (ROOT / f"app/frontend/words/{locale}.ts").read_text()
    found = dict(re.findall(r'^\s*"([\w.]+)":\s*"(.*)",?$', text, re.MULTILINE))
    assert len(found) > 100, "the dictionaries have another form now"
    return found


def patient(goto):
    """Go once more when the controller's own network has changed: test hosts of other suites come and go beside."""

    def go(*arguments, **options):
        try:
            return goto(*arguments, **options)
        except Error as error:
            if "ERR_NETWORK_CHANGED" not in str(error):
                raise
            return goto(*arguments, **options)

    return go


class Person:
    """Somebody with a language and a screen, in a browser profile of their own."""

    def __init__(self, browser: Browser, site: Site, locale: str = "en", size: str = "desktop", album: str = "", dark: bool = False):
        self.site, self.words, self.album, self.pictures = site, words(locale), album, 0
        self.singular = {"en": (1,), "fr": (0, 1)}[locale]
        self.context: BrowserContext = browser.new_context(
            base_url=f"https://{site.domain}", ignore_https_errors=True, locale={"en": "en-GB", "fr": "fr-FR"}[locale],
            viewport=SIZES[size], color_scheme="dark" if dark else "light", reduced_motion="reduce",
        )  # fmt: skip
        self.context.set_default_timeout(20_000)
        self.page: Page = self.context.new_page()
        self.page.goto = patient(self.page.goto)
        self.complaints: list[str] = []
        self.page.on("console", self._listen)
        self.page.on("pageerror", self._error)

    def _listen(self, message) -> None:
        # An answer of 4xx or 5xx is a line here, too; those are provoked, and asserted where they are.
        if message.type == "error" and "Failed to load resource" not in message.text:
            self.complaints.append(f"{self.page.url}: {message.text}")

    def _error(self, error) -> None:
        # React of Next.js 15.5 may lose its place in a page that is still arriving, on a busy machine; it draws the page anew
        # (react issue 35210, mended after this version).
        if "Minified React error #418" not in str(error):
            self.complaints.append(f"{self.page.url}: {error}")

    def say(self, key: str, **values: object) -> str:
        """The words under a key, with its placeholders filled."""
        text = self.words[key]
        if " || " in text:
            one, many = text.split(" || ")
            # In French, none is singular.
            text = one if values.get("n") in self.singular else many
        for name, value in values.items():
            text = text.replace("{" + name + "}", str(value))
        return text

    def pattern(self, key: str, start: str = "^", end: str = "$") -> re.Pattern:
        """The words under a key, with anything in place of placeholders and any blank for a blank."""
        text = re.sub(r"\\\{\w+\\\}", ".+", re.escape(self.words[key]))
        return re.compile(start + re.sub(r"(\\?\s)+", r"\\s+", text) + end)

    def button(self, key: str, **values: object):
        return self.page.get_by_role("button", name=self.say(key, **values), exact=True)

    def link(self, key: str):
        return self.page.get_by_role("link", name=self.say(key), exact=True)

    def field(self, key: str):
        return self.page.get_by_label(self.say(key), exact=True)

    def text(self, key: str, **values: object):
        return self.page.get_by_text(self.say(key, **values), exact=True)

    def heading(self, key: str):
        return self.page.get_by_role("heading", name=self.say(key), exact=True)

    def main(self, role: str, **options):
        """What the page is about, without header and footer."""
        return self.page.get_by_role("main").get_by_role(role, **options)

    def ask(self, method: str, path: str, **arguments) -> Answer:
        """A request beside the page, with the cookies that the browser has."""
        cookies = "; ".join(f"{one['name']}={one['value']}" for one in self.context.cookies())
        return self.site.ask(method, path, **{**arguments, "headers": {"Cookie": cookies, **arguments.get("headers", {})}})

    def look(self, name: str) -> None:
        """Take a picture, and ask axe whether everybody can use the page."""
        if self.album:
            self.pictures += 1
            path = SCREENS / self.album / f"{self.pictures:02}-{name}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            self.page.screenshot(path=path, full_page=True)
        found = [one for one in Axe().run(self.page).response["violations"] if one["impact"] in GRAVE]
        assert not found, "\n".join(f"{name}: {one['id']}: {one['help']}: {one['nodes'][0]['html']}" for one in found)
        wide = self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, f"{name} is {wide} pixels wider than the screen"

    def sign_up(self, email: str, password: str, name: str, role: str) -> None:
        """Create an account; afterwards the person is logged in."""
        self.page.goto("/signup")
        self.fill_account(email, password, name, role)
        self.button("signup.submit").click()
        self.settle()

    def fill_account(self, email: str, password: str, name: str, role: str) -> None:
        self.page.get_by_role("radio", name=re.compile(f"^{re.escape(self.say(f'signup.role.{role}'))}")).check()
        self.field("field.name").fill(name)
        self.field("field.email").fill(email)
        self.field("field.password").fill(password)

    def log_in(self, email: str, password: str) -> None:
        self.field("field.email").fill(email)
        self.field("field.password").fill(password)
        self.button("login.submit").click()
        self.settle()

    def log_out(self) -> None:
        self.button("nav.logout").click()
        self.button("nav.logout").wait_for(state="detached")
        self.page.wait_for_load_state()

    def settle(self) -> None:
        """Wait until the first page after the door is there."""
        self.button("nav.logout").wait_for(state="attached")
        self.page.wait_for_load_state()

    def upload(self, name: str, content: bytes) -> None:
        """Choose a file, as the file dialog would hand it over."""
        self.field("upload.choose").set_input_files({"name": name, "mimeType": "application/octet-stream", "buffer": content})
