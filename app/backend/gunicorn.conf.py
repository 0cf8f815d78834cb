"""What belongs to the application and not to the deployment: metrics shared by the workers, and logging.

Workers, address, timeouts and threads are given on the command line.
"""

import os

from aiko.config import current, raw_value
from aiko.logs import dict_config
from aiko.metrics import shared

logconfig_dict = dict_config(current().FLASK_ENV)
# Read anew: the variable itself is replaced by this run's directory, also across a re-exec of gunicorn.
_base = os.environ.get(shared.BASE) or raw_value("PROMETHEUS_MULTIPROC_DIR", os.environ) or ""


def on_starting(server):
    """Prepare the metrics directory before the first worker and before prometheus_client is imported."""
    shared.start(_base if current().METRICS_ENABLED else "")


def post_fork(server, worker):
    """Tell the worker whose children the process metrics are about."""
    os.environ["AIKO_WEB_MASTER"] = str(worker.ppid)


def child_exit(server, worker):
    """Drop the gauges of a dead worker; its counters stay, or the sums would go backwards."""
    if os.environ.get(shared.VARIABLE):
        from prometheus_client import multiprocess

        multiprocess.mark_process_dead(worker.pid)
