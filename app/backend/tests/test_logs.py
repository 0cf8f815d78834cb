"""Log lines that a machine can read."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.error
import urllib.request
import uuid
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.conftest import PASSWORD
from tests.samples import ENGLISH
from tests.support import processes, servers
from tests.support.processes import BACKEND, environment

pytestmark = pytest.mark.ledger("SY5")

PROGRAM = """
import logging, logging.config
from aiko.logs import dict_config
from aiko.requestid import current_id
logging.config.dictConfig(dict_config("production"))
current_id.set("trace-123456")
log = logging.getLogger("x")
log.info("two\\nlines %s", "é", extra={"fields": {"status": 200}})
try:
    1 / 0
except ZeroDivisionError:
    log.exception("failed")
"""


def test_each_record_is_one_line_of_json() -> None:
    """A line break in a message must not make two records of it."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=BACKEND, env=environment({}), capture_output=True, text=True
    )
    first, second = [json.loads(line) for line in done.stderr.splitlines()]
    assert first["message"] == "two\nlines é" and first["status"] == 200 and first["request_id"] == "trace-123456"
    assert second["level"] == "ERROR" and "ZeroDivisionError" in second["exception"]


def lines(process: processes.Process, request_id: str) -> list[dict[str, Any]]:
    """Return the records of a process under an id; a line that is not JSON is the program's greeting."""
    found = [json.loads(line) for line in process.output().splitlines() if line.startswith("{")]
    return [record for record in found if record.get("request_id") == request_id]


def test_one_id_from_the_request_to_the_task(place: SimpleNamespace, settings: dict[str, str], tmp_path: Path) -> None:
    """Who asks why a quiz failed has an id, from a header: it finds the access line, the application's, the task's."""
    own = {name: value.replace("redis://", "redis://default:unused@") for name, value in settings.items()} | {
        "FLASK_ENV": "production",
        "SECRET_KEY": uuid.uuid4().hex,
        "JWT_SECRET_KEY": uuid.uuid4().hex,
        "CORS_ORIGINS": "",
    }
    with (
        processes.web(own, tmp_path / "web") as web,
        processes.worker(own, tmp_path / "worker") as worker,
    ):
        headers: dict[str, str] = {}

        def call(path: str, body: Any = None, kind: str = "application/json") -> Any:
            data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
            request = urllib.request.Request(
                f"http://127.0.0.1:{web.port}{path}", data, {**headers, "Content-Type": kind}
            )
            try:
                with urllib.request.urlopen(request, timeout=20) as answer:
                    assert answer.headers["X-Request-ID"] == headers.get("X-Request-ID", answer.headers["X-Request-ID"])
                    return json.load(answer)
            except urllib.error.HTTPError as error:
                return error.code

        def upload(content: bytes) -> str:
            form = b'--b\r\nContent-Disposition: form-data; name="file"; filename="x.txt"\r\n\r\n%s\r\n--b--\r\n'
            return call("/api/documents", form % content, "multipart/form-data; boundary=b")["id"]

        account = {"email": "trace@example.com", "password": PASSWORD}
        call("/api/auth/register", {**account, "name": "T"})
        headers["Authorization"] = f"Bearer {call('/api/auth/login', account)['access_token']}"
        for content, ending in ((ENGLISH.encode(), "succeeded"), (b"Too short, this.", "raised unexpected")):
            headers["X-Request-ID"] = trace = uuid.uuid4().hex
            document = upload(content)
            made = call("/api/quizzes", {"document_id": document, "questions": 2})
            told = servers.wait_for(
                lambda t=trace, e=ending: [r for r in lines(worker, t) if e in r["message"]], 20, "the task's line"
            )
            assert made["task_id"] in told[0]["message"] and ("exception" in told[0]) == (ending != "succeeded")
            # One line for each request, or half of a bounded journal would be repetition.
            uploaded, access = lines(web, trace)
            assert uploaded["path"] == "/api/documents" and access["path"] == "/api/quizzes"
            assert (access["method"], access["status"]) == ("POST", 202) and access["seconds"] >= 0

        headers["X-Request-ID"] = trace = uuid.uuid4().hex
        (Path(own["UPLOAD_DIR"]) / document[:2] / document).unlink()
        assert call(f"/api/documents/{document}/file") == 404
        assert [r["logger"] for r in lines(web, trace)] == ["aiko.api.documents", "aiko.access"]

        # A child that is killed says nothing any more; the worker's main process speaks for it.
        trace = uuid.uuid4().hex
        program = (
            f"from aiko.requestid import current_id; current_id.set('{trace}'); from aiko.tasks.probe import sleep; "
            "sleep.apply_async(args=(30,), time_limit=1, soft_time_limit=2)"
        )
        subprocess.run([sys.executable, "-c", program], cwd=BACKEND, env=environment(own), check=True)
        servers.wait_for(
            lambda: [r for r in lines(worker, trace) if "Hard time limit" in r["message"]], 20, "the limit's line"
        )
