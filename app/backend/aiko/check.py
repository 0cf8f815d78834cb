"""Preflight: `python -m aiko.check` says what is wrong with the configuration, without connecting to anything."""

from __future__ import annotations

import sys

from aiko.config import ConfigError, load


def main() -> int:
    """Print one line for each problem and return the exit code: 0 usable, 1 not."""
    try:
        config = load()
    except ConfigError as error:
        for problem in error.problems:
            print(problem, file=sys.stderr)
        return 1
    print(f"configuration is complete ({config.FLASK_ENV})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
