"""Bounds on what an upload may cost. One place, so that they can be read together."""

MAX_TEXT_CHARS = 2_000_000
MAX_UNPACKED_BYTES = 64 * 1024 * 1024
MAX_ZIP_ENTRIES = 2_000
MAX_PDF_PAGES = 2_000
CHILD_SECONDS = 20
CHILD_CPU_SECONDS = 15
CHILD_MEMORY_BYTES = 768 * 1024 * 1024
