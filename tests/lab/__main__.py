"""Entry point of `python3 tests/lab VERB` and `python3 -m tests.lab VERB`, from any directory, nothing installed."""

import sys
from pathlib import Path

# The package is always imported as `lab`, however it was started: a single name means a single set of module objects.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from lab.cli import main  # noqa: E402 - needs the path set above

if __name__ == "__main__":
    sys.exit(main())
