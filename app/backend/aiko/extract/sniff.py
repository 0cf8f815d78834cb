"""Decides by content what a file is; its name and declared type are never asked."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from aiko.extract.limits import CHILD_SECONDS, MAX_TEXT_CHARS

_CONTROLS = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")
_MARKDOWN = re.compile(r"^(#{1,6} \S|[-*+] \S|\d+\. \S|> \S|```|\|.+\|$)|\[[^\]]+\]\([^)]+\)|\*\*[^*]+\*\*", re.M)


class Refused(Exception):
    """The file is not taken; `status` is the HTTP status that fits, the message is for the person who uploaded it."""

    def __init__(self, status: int, message: str):
        super().__init__(message)
        self.status = status


@dataclass
class Extracted:
    """What was found: `kind` is text, markdown, pdf or docx; `meta` holds strings only."""

    kind: str
    text: str
    meta: dict[str, str] = field(default_factory=dict)


def _decode(data: bytes) -> tuple[str, str]:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        encodings = ["utf-16"]
    else:
        # cp1252 last: it accepts nearly anything, so the control character test below is what keeps binaries out.
        encodings = ["utf-8-sig", "cp1252"]
    for encoding in encodings:
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        # A form feed is a page break in old text files; other controls mean it is not text.
        odd = len(re.findall(r"[\x80-\x9f\ufffd]", text)) if encoding == "utf-8-sig" else 0
        letters = sum(c.isalpha() or c.isspace() for c in text[:20_000])
        if _CONTROLS.search(text) or odd > len(text) / 100 or letters < len(text[:20_000]) / 2:
            break
        return text, encoding
    raise Refused(415, "this is neither text, Markdown, PDF nor DOCX (going by its content, not its name)")


def _plain(path: Path) -> Extracted:
    text, encoding = _decode(path.read_bytes())
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    # A heading on top is enough; elsewhere one mark alone may be chance.
    is_markdown = re.match(r"\s*#{1,6} \S", text) or len(_MARKDOWN.findall(text)) >= 2
    kind = "markdown" if is_markdown else "text"
    return Extracted(kind, text, {"encoding": encoding})


def _in_child(kind: str, path: Path) -> Extracted:
    """Run the parser for `kind` in a process with a hard limit on time and memory; parsers may be attacked."""
    command = [sys.executable, "-I", str(Path(__file__).with_name("child.py")), kind, str(path)]
    try:
        # Of the environment, which carries passwords, the parser gets nothing.
        done = subprocess.run(command, capture_output=True, timeout=CHILD_SECONDS, check=False, env={})  # noqa: S603
        answer = json.loads(done.stdout)
    except subprocess.TimeoutExpired:
        raise Refused(
            422, f"reading this {kind.upper()} took more than {CHILD_SECONDS} s; simplify or split it"
        ) from None
    except ValueError:
        raise Refused(422, f"this {kind.upper()} is damaged, or needs too much time or memory to read") from None
    if "refused" in answer:
        raise Refused(answer["status"], answer["refused"])
    return Extracted(kind, answer["text"], answer["meta"])


def extract(path: Path) -> Extracted:
    """Return kind, text and metadata of the file at `path`.

    Raises Refused with status 415 (not a kind we take) or 422 (damaged, protected, without text, too costly to read).
    """
    with path.open("rb") as file:
        head = file.read(1024)
    if not head:
        raise Refused(422, "the file is empty")
    if b"%PDF-" in head:
        found = _in_child("pdf", path)
    elif head.startswith(b"PK"):
        found = _in_child("docx", path)
    else:
        found = _plain(path)
    # PostgreSQL stores neither NUL nor lone surrogates, and other controls help nobody.
    found.text = _CONTROLS.sub(" ", found.text).encode("utf-8", "replace").decode()
    if not found.text.strip():
        raise Refused(422, "no text was found in it (a scan? then it needs text recognition first)")
    if len(found.text) > MAX_TEXT_CHARS:
        raise Refused(422, f"it holds more than {MAX_TEXT_CHARS:,} characters of text; split it")
    return found
