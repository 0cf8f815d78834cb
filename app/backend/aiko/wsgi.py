"""WSGI entry point: `gunicorn aiko.wsgi:app`."""

import logging.config

from aiko.config import current
from aiko.logs import dict_config

logging.config.dictConfig(dict_config(current().FLASK_ENV))

from aiko.app import create_app  # noqa: E402  (logging first, so that start-up problems are logged in form)

app = create_app()
