"""Backups of the platform: made, kept, proved by restoring them, and restored."""
