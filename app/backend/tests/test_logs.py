"""Log lines that a machine can read."""

from __future__ import annotations

import json
import subprocess
import sys

from tests.support.processes import BACKEND, environment

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
