"""What monitoring sees: a file for node_exporter's textfile collector."""

from __future__ import annotations

import os
import pathlib

HELP = {
    "backup_last_success_timestamp_seconds": "When the last backup that ended well began.",
    "backup_last_verified_timestamp_seconds": "When a backup was last restored on trial and found right.",
    "backup_last_duration_seconds": "How long the last backup took.",
    "backup_last_verify_duration_seconds": "How long the last trial restore took.",
    "backup_newest_proven_timestamp_seconds": "When the newest backup that was restored on trial began.",
    "backup_size_bytes": "What the last backup holds, before compression.",
    "backup_files": "Files in the last backup.",
    "backup_repository_bytes": "What the repository takes.",
    "backup_repository_free_bytes": "Free space where the repository lies.",
    "backup_repository_margin_bytes": "Space that backups leave free there.",
    "backup_sets": "Complete backups in the repository.",
}


def write(settings: dict, values: dict[str, float | dict[str, float]]) -> None:
    """Replace what is there by name, keep the rest, and let nobody see half a file.

    Args:
        settings: of which `metrics` is the collector's directory; nothing is written where there is none.
        values: metric to number, or to a dict of `label="value"` to number.
    """
    if not settings.get("metrics"):
        return
    path = pathlib.Path(settings["metrics"], "backup.prom")
    lines = {name: found for name, found in _read(path).items() if name not in values and name in HELP}
    for name, value in values.items():
        series = value if isinstance(value, dict) else {"": value}
        lines[name] = [f"{name}{{{label}}} {number}" if label else f"{name} {number}" for label, number in series.items()]
    text = "".join("\n".join([f"# HELP {name} {HELP[name]}", f"# TYPE {name} gauge", *lines[name], ""]) for name in HELP if name in lines)
    fresh = path.with_suffix(".prom.new")
    fresh.write_text(text)
    fresh.chmod(0o644)
    os.replace(fresh, path)


def missing(settings: dict) -> bool:
    """Whether nothing was told yet."""
    return bool(settings.get("metrics")) and not pathlib.Path(settings["metrics"], "backup.prom").exists()


def _read(path: pathlib.Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in path.read_text().splitlines() if path.exists() else []:
        if line and not line.startswith("#"):
            found.setdefault(line.replace("{", " ").split()[0], []).append(line)
    return found
