"""Ansible packs each module with all that it imports anew for every run; within one run of the tests these never differ.

Where AIKO_MODULE_ARCHIVES names a directory, the archives are kept there: a quarter of what a small converge costs the controller.
"""

from __future__ import annotations

import os

from ansible import constants
from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: module_archives
type: aggregate
short_description: Share packed modules between the runs of a test
description:
  - Links the directory in which C(ansible.executor.module_common) keeps them, under a lock of its own, to one that outlives the run.
"""


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "module_archives"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        kept = os.environ.get("AIKO_MODULE_ARCHIVES")
        if kept:
            os.makedirs(kept, mode=0o700, exist_ok=True)
            os.symlink(kept, os.path.join(constants.DEFAULT_LOCAL_TMP, "ansiballz_cache"))
