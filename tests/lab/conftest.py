"""Makes the package importable as `lab` and knows the mark of tests that boot hosts."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))


def pytest_configure(config):
    """Register the mark."""
    config.addinivalue_line("markers", "lab: boots real hosts, needs root")
