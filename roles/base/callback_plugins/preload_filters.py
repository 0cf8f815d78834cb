"""Load all filters and tests once, before Ansible forks a worker for each task.

A worker that templates anything imports every filter there is, and takes what it has learned with it when the task ends. Workers
that are forked from a process which has them inherit them: of a site without a change that is a third of the controller's work.
"""

from __future__ import annotations

from ansible.plugins.callback import CallbackBase
from ansible.plugins.loader import filter_loader, test_loader

DOCUMENTATION = """
name: preload_filters
type: aggregate
short_description: Load filters and tests once a run instead of once a task
description:
  - Prints nothing, and changes no result.
"""


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "preload_filters"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        for loader in (filter_loader, test_loader):
            list(loader.all())
