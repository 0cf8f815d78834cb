"""The one exception that the command line shows as a plain sentence."""


class LabError(Exception):
    """Something the person at the keyboard can understand and act on."""
