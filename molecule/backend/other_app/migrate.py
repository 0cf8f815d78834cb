"""Stands for a migration: leaves a trace that it ran."""

import os
import pathlib

pathlib.Path(os.environ["UPLOAD_DIR"], "migrated").touch()
