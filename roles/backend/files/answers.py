"""Exit with 0 when an address answers with 200: answers.py URL. How a container of the application asks for its own health."""

import sys
import urllib.request

with urllib.request.urlopen(sys.argv[1], timeout=10):  # noqa: S310 - the address is written into the unit
    pass
