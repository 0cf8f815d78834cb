"""Entry point of `python3 tests/lab VERB` and `python3 -m tests.lab VERB`, from any directory, nothing installed."""

import os
import sys
from pathlib import Path

# The package is always imported as `lab`, however it was started: a single name means a single set of module objects.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

# Under sudo, do not leave root's files in the checkout of the person who called it.
sys.dont_write_bytecode = "SUDO_UID" in os.environ

from lab.cli import main  # noqa: E402 - needs the path set above

if __name__ == "__main__":
    sys.exit(main())
