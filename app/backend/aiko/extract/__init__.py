"""Text out of uploaded files. `extract` decides by content, and parses risky formats in a bounded child process."""

from aiko.extract.sniff import Refused, extract

__all__ = ["Refused", "extract"]
