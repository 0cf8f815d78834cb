"""Uploading, finding, reading and deleting documents."""

from __future__ import annotations

import hashlib
import logging
import re
import unicodedata
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID, uuid4

from flask import Blueprint, Response, g, request, send_file
from pydantic import Field
from sqlalchemy import func, select, text

from aiko import db, uploads
from aiko.config import current
from aiko.errors import Problem
from aiko.extract import Refused, extract
from aiko.models import Document
from aiko.openapi import Model, route
from aiko.stores import cache_bump, cache_get, cache_set

blueprint = Blueprint("documents", __name__)
log = logging.getLogger(__name__)
LIST_CACHE_SECONDS = 30
MIME = {
    "text": "text/plain; charset=utf-8",
    "markdown": "text/markdown; charset=utf-8",
    "pdf": "application/pdf",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
}
SUFFIX = {"text": ".txt", "markdown": ".md", "pdf": ".pdf", "docx": ".docx"}


class DocumentOut(Model):
    """A document without its text."""

    id: UUID
    title: str
    filename: str
    kind: str
    size_bytes: int
    sha256: str
    meta: dict[str, str | None]
    created_at: datetime


class DocumentFull(DocumentOut):
    """A document and the beginning of its text."""

    characters: int
    excerpt: str


class DocumentPage(Model):
    """One page of a list; `total` counts all pages."""

    items: list[DocumentOut]
    total: int
    page: int
    per_page: int


class PageQuery(Model):
    """Which page of a list."""

    page: int = Field(1, ge=1, le=10_000)
    per_page: int = Field(20, ge=1, le=100)


class SearchQuery(PageQuery):
    """Which page of which documents; `q` matches title and text, with or without accents."""

    q: Annotated[str, Field(max_length=200, pattern=r"^[^\x00]*$")] = ""


def safe_name(given: str, kind: str) -> str:
    """Return a file name without path, controls or surprises, with the suffix of what the file really is."""
    name = unicodedata.normalize("NFC", given.replace("\\", "/").rsplit("/", 1)[-1])
    name = re.sub(r"[^\w .()-]", "_", name).strip(" .")
    stem = name.rsplit(".", 1)[0] if "." in name else name
    return (stem.strip(" .")[:120] or "document") + SUFFIX[kind]


def _mine(session: Any, document_id: UUID) -> Document:
    found = session.get(Document, document_id)
    if found is None or found.user_id != g.user_id:
        raise Problem(404, "there is no such document of yours")
    return found


@route(
    blueprint,
    "POST",
    "/api/documents",
    "Upload a document (text, Markdown, PDF, DOCX)",
    out=DocumentOut,
    status=201,
    errors=(400, 413, 415, 422),
    upload=True,
)
def upload() -> Any:
    file = request.files.get("file")
    if file is None:
        raise Problem(400, "expected a multipart form with a field named 'file'")
    limit = current().MAX_UPLOAD_MB * 1024 * 1024
    try:
        temporary, size, digest = uploads.receive(file.stream, limit)
    except uploads.TooLarge:
        raise Problem(413, f"the file is larger than {current().MAX_UPLOAD_MB} MiB") from None
    document_id = uuid4()
    try:
        try:
            found = extract(temporary)
        except Refused as refusal:
            raise Problem(refusal.status, str(refusal)) from None
        name = safe_name(file.filename or "", found.kind)
        title = re.sub(r"[\x00-\x1f]", " ", request.form.get("title", "")).strip()[:200] or name.rsplit(".", 1)[0]
        document = Document(
            id=document_id,
            user_id=g.user_id,
            title=title,
            filename=name,
            kind=found.kind,
            size_bytes=size,
            sha256=digest,
            body=found.text,
            meta=found.meta | {"characters": str(len(found.text))},
        )
        try:
            with db.session() as session:
                session.add(document)
                session.flush()
                session.refresh(document, ["created_at"])
                # The file is in place before the row is seen; a crash in between leaves a file without a row, which
                # the sweep removes. A row without its file cannot come about.
                uploads.keep(temporary, document_id)
        except BaseException:
            _take_back(document_id)
            raise
    finally:
        temporary.unlink(missing_ok=True)
    cache_bump(f"documents:{g.user_id}")
    return document


def _take_back(document_id: UUID) -> None:
    """Remove the file of a row that was not committed, but only when it is certain that it was not.

    A connection lost during COMMIT leaves that open; then the file stays, and the sweep decides later.
    """
    try:
        with db.session() as session:
            if session.scalar(select(Document.id).where(Document.id == document_id)) is None:
                uploads.remove(document_id)
    except Exception as error:
        log.warning("left the file of %s to the sweep: %s", document_id, error)


@route(blueprint, "GET", "/api/documents", "List or search one's documents", query=SearchQuery, out=DocumentPage)
def documents(query: SearchQuery) -> Any:
    version = cache_get(f"documents:{g.user_id}") or 0
    asked = hashlib.sha256(f"{query.q}|{query.page}|{query.per_page}".encode()).hexdigest()[:32]
    key = f"documents:{g.user_id}:{version}:{asked}"
    if (kept := cache_get(key)) is not None:
        return kept
    matching = select(Document).where(Document.user_id == g.user_id)
    if query.q:
        # Written exactly as in the index, or PostgreSQL would not use it. LIKE's own signs are escaped.
        matching = matching.where(
            text(
                r"aiko_fold(documents.title || ' ' || documents.body) LIKE "
                r"'%' || regexp_replace(aiko_fold(:q), '([\\%_])', '\\\1', 'g') || '%'"
            ).bindparams(q=query.q)
        )
    with db.session() as session:
        total = session.scalar(select(func.count()).select_from(matching.subquery()))
        rows = session.scalars(
            matching.order_by(Document.created_at.desc(), Document.id)
            .limit(query.per_page)
            .offset((query.page - 1) * query.per_page)
        ).all()
    page = DocumentPage(
        items=[DocumentOut.model_validate(row) for row in rows],
        total=total or 0,
        page=query.page,
        per_page=query.per_page,
    )
    cache_set(key, page.model_dump(mode="json"), LIST_CACHE_SECONDS)
    return page


@route(blueprint, "GET", "/api/documents/<uuid:document_id>", "One document", out=DocumentFull, errors=(404,))
def document(document_id: UUID) -> Any:
    with db.session() as session:
        found = _mine(session, document_id)
        size, excerpt = session.execute(
            select(func.length(Document.body), func.left(Document.body, 2000)).where(Document.id == document_id)
        ).one()
        return DocumentFull(**DocumentOut.model_validate(found).model_dump(), characters=size, excerpt=excerpt)


@route(
    blueprint,
    "GET",
    "/api/documents/<uuid:document_id>/file",
    "Download the file",
    errors=(404,),
    produces="application/octet-stream",
)
def download(document_id: UUID) -> Response:
    with db.session() as session:
        found = _mine(session, document_id)
    path = uploads.path_of(document_id)
    if not path.is_file():
        log.error("the file of document %s is missing", document_id)
        raise Problem(404, "the file of this document is missing; tell the operator")
    answer = send_file(
        path, mimetype=MIME[found.kind], as_attachment=True, download_name=found.filename, etag=found.sha256
    )
    # Somebody else's upload must never run as a page of ours.
    answer.headers["Content-Security-Policy"] = "sandbox; default-src 'none'"
    return answer


@route(
    blueprint,
    "DELETE",
    "/api/documents/<uuid:document_id>",
    "Delete a document and its quizzes",
    status=204,
    errors=(404,),
)
def delete(document_id: UUID) -> None:
    with db.session() as session:
        session.delete(_mine(session, document_id))
    # Row first: a crash now leaves a file without a row, which the sweep removes.
    uploads.remove(document_id)
    cache_bump(f"documents:{g.user_id}")
