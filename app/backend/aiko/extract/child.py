"""The bounded child: `python child.py pdf|docx FILE` prints JSON. Run as a file in isolated mode."""

from __future__ import annotations

import json
import logging
import resource
import sys
import zipfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from aiko.extract.limits import (  # noqa: E402
    CHILD_CPU_SECONDS,
    CHILD_MEMORY_BYTES,
    MAX_PDF_PAGES,
    MAX_TEXT_CHARS,
    MAX_UNPACKED_BYTES,
    MAX_ZIP_ENTRIES,
)


class Refusal(Exception):
    """A reason for the person who uploaded the file."""

    status = 422


class NotOurs(Refusal):
    """Not a kind of file we take."""

    status = 415


def read_pdf(path: str) -> tuple[str, dict[str, str]]:
    """Return text and metadata of a PDF; raises Refusal for encrypted or oversized ones."""
    from pypdf import PdfReader

    reader = PdfReader(path)
    if reader.is_encrypted:
        raise Refusal("this PDF is protected by a password; save it without and upload it again")
    pages = len(reader.pages)
    if pages > MAX_PDF_PAGES:
        raise Refusal(f"this PDF has more than {MAX_PDF_PAGES} pages; split it")
    texts: list[str] = []
    size = 0
    for page in reader.pages:
        texts.append(page.extract_text() or "")
        size += len(texts[-1])
        if size > MAX_TEXT_CHARS:
            break
    return "\n\n".join(texts), {"pages": str(pages)}


def _check_zip(path: str) -> None:
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        names = {entry.filename for entry in entries}
        if not {"[Content_Types].xml", "word/document.xml"} <= names:
            raise NotOurs("this is an archive, but not a DOCX; upload text, Markdown, PDF or DOCX")
        # The sizes in the directory can be relied on: the reader never hands out more bytes than they say.
        if len(entries) > MAX_ZIP_ENTRIES or sum(entry.file_size for entry in entries) > MAX_UNPACKED_BYTES:
            raise Refusal(
                f"this DOCX unpacks to more than {MAX_UNPACKED_BYTES // 2**20} MiB; remove pictures or split it"
            )
        if any(entry.flag_bits & 1 for entry in entries):
            raise Refusal("this DOCX is protected by a password; save it without and upload it again")
        for entry in entries:
            if entry.filename.endswith((".xml", ".rels")) and b"<!DOCTYPE" in archive.read(entry)[:4096]:
                raise Refusal("this DOCX declares XML entities, which no word processor does")


def read_docx(path: str) -> tuple[str, dict[str, str]]:
    """Return text and metadata of a DOCX; raises Refusal for bombs, protected files and other archives."""
    _check_zip(path)
    from docx import Document
    from docx.table import Table

    lines: list[str] = []
    for block in Document(path).iter_inner_content():
        if isinstance(block, Table):
            lines += [" \t".join(cell.text for cell in row.cells) for row in block.rows]
        else:
            lines.append(block.text)
    return "\n\n".join(line for line in lines if line.strip()), {"paragraphs": str(len(lines))}


def main() -> None:
    """Limit this process, read the file and print {"text", "meta"} or {"refused", "status"}."""
    resource.setrlimit(resource.RLIMIT_AS, (CHILD_MEMORY_BYTES, CHILD_MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CHILD_CPU_SECONDS, CHILD_CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    logging.disable(logging.CRITICAL)
    kind, path = sys.argv[1:3]
    try:
        text, meta = {"pdf": read_pdf, "docx": read_docx}[kind](path)
        answer = {"text": text[: MAX_TEXT_CHARS + 1], "meta": meta}
    except Refusal as refusal:
        answer = {"refused": str(refusal), "status": refusal.status}
    except (MemoryError, RecursionError):
        answer = {"refused": f"this {kind.upper()} needs too much memory to read", "status": 422}
    except Exception:  # a parser fed with damaged bytes raises nearly anything
        answer = {"refused": f"this {kind.upper()} is damaged and cannot be read", "status": 422}
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
