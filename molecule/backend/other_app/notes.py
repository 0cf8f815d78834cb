"""Another application: it knows nothing of this platform and reads its secrets from the environment."""

import os
import pathlib

import celery
import flask

BROKER = "redis://:{}@redis-queue:6380/7".format(os.environ["REDIS_PASSWORD"])

web = flask.Flask(__name__)
work = celery.Celery("notes", broker=BROKER, backend=BROKER)
work.conf.task_default_queue = "notes"


@work.task
def double(number: int) -> int:
    return 2 * number


@web.get("/ping")
def ping():
    return {
        "app": "notes",
        "colour": os.environ.get("NOTES_COLOUR"),
        "migrated": pathlib.Path(os.environ["UPLOAD_DIR"], "migrated").exists(),
    }


@web.get("/double/<int:number>")
def ask(number: int):
    return {"result": double.delay(number).get(timeout=20)}
