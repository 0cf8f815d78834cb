"""Throw-away Debian hosts for tests: real systemd, real SSH, booted in seconds with systemd-nspawn."""
