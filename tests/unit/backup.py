"""The package aiko_backup, imported from where its role has it, without bytecode beside it."""

import importlib
import sys
import types

from tests.unit.support import ROOT

PACKAGE = "aiko_backup"


def library(module: str) -> types.ModuleType:
    """A module of the package."""
    place, former = str(ROOT / "roles/backup/files"), sys.dont_write_bytecode
    sys.path.insert(0, place)
    sys.dont_write_bytecode = True
    try:
        return importlib.import_module(f"{PACKAGE}.{module}")
    finally:
        sys.dont_write_bytecode = former
        sys.path.remove(place)
