"""playbooks/restore.yml: what was asked for, and what people are told of it."""

from __future__ import annotations

import difflib
import json
import re
import time

from ansible.parsing.dataloader import DataLoader
from ansible.utils import vars as command_line

OWN = ("backup_id", "restore_to", "parts", "restore_confirm", "restore_undo")
PARTS = ("postgresql", "redis", "uploads", "grafana")
TRUE = ("yes", "true", "1", "on")
# Ansible splits -e restore_to='2026-01-21 14:29:00+00' at the space, and keeps the rest under this name.
REST = "_raw_params"
MB = 1024 * 1024


def given_variables(_) -> dict:
    """The variables of this run's own command line."""
    return dict(command_line.load_extra_vars(DataLoader()))


def restore_request(given: dict) -> dict:
    """What is asked for: ``backup_id``, ``restore_to``, ``parts``, ``confirm`` and ``undo``.

    Args:
        given: variables of the command line.
    """
    moment = str(given.get("restore_to") or "")
    return {
        "backup_id": str(given.get("backup_id") or ""),
        "restore_to": f"{moment} {given[REST]}" if moment and REST in given else moment,
        "parts": [part.strip() for part in str(given.get("parts") or "").split(",") if part.strip()],
        "confirm": str(given.get("restore_confirm", "")).lower() in TRUE,
        "undo": str(given.get("restore_undo", "")).lower() in TRUE,
    }


def restore_errors(given: dict, groups: dict, known: list[str]) -> list[str]:
    """What is wrong with the request; each with what was expected and the remedy.

    Args:
        given: variables of the command line.
        groups: Ansible's ``groups``.
        known: names of all variables that roles and inventories document.
    """
    errors = []
    for name in sorted(given):
        if name not in (*OWN, REST, *known) and not name.startswith("ansible_"):
            near = difflib.get_close_matches(name.lower(), OWN, 1) or difflib.get_close_matches(name, known, 1)
            errors.append(f"variable {name} is not one that restore.yml knows. Expected: {', '.join(OWN)}. "
                          + (f"Remedy: did you mean {near[0]}?" if near else "Remedy: leave it out"))
    request = restore_request(given)
    if REST in given and not request["restore_to"]:
        errors.append(f"'{given[REST]}' belongs to no variable. Expected: -e NAME=VALUE without spaces around =. Remedy: correct it")
    if not groups.get("backup"):
        errors.append("inventory: group 'backup' is empty. Expected: the host that has the backups. "
                      "Remedy: put it into the group and run site.yml")
    chosen = [name for name in ("backup_id", "restore_to") if request[name]] + (["restore_undo"] if request["undo"] else [])
    if len(chosen) != 1:
        errors.append(f"{' and '.join(chosen) or 'none of backup_id, restore_to and restore_undo'} was given. Expected: one of "
                      "-e backup_id=20260121_143000 (or latest), -e restore_to='2026-01-21 14:29:00+00' and -e restore_undo=yes. "
                      "Remedy: say which; aiko-backup list shows those there are")
    unknown = [part for part in request["parts"] if part not in PARTS]
    if unknown:
        errors.append(f"parts names {', '.join(unknown)}. Expected: some of {', '.join(PARTS)}, with commas between. Remedy: correct it")
    if request["backup_id"] not in ("", "latest") and not re.fullmatch(r"\d{8}_\d{6}", request["backup_id"]):
        errors.append(f"backup_id is '{request['backup_id']}'. Expected: YYYYMMDD_HHMMSS, for example 20260121_143000, or latest. "
                      "Remedy: aiko-backup list shows those there are")
    return errors


def restore_plan_text(plan: dict, checks: dict, units: dict) -> list[str]:
    """What will happen, for the one who is asked.

    Args:
        plan: of ``aiko-backup plan``.
        checks: host to what ``aiko-restore check`` printed.
        units: host to what ``find`` printed of its enabled units, which stop meanwhile.
    """
    if plan["restore_to"]:
        lines = [f"The database as it was at {plan['restore_to']}; files from backup {plan['id'] or '(none)'}."]
    else:
        proven = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(plan["proven"])) if plan["proven"] else None
        proof = f"proven by a trial restore at {proven}." if proven else "not proven by a trial restore yet."
        lines = [f"Backup {plan['id']} of {plan['moment']}, {proof}"]
    lines.append(f"It is of the environment {plan['environment']}" + (
        "." if plan["environment"] == plan["here"] else f", AND THIS IS {plan['here']}: it gets the other one's data."))
    if any(plan["releases"].values()):
        lines.append("Made with " + ", ".join(f"{part} {release}" for part, release in sorted(plan["releases"].items()) if release) + ".")
    for host, answer in sorted((host, json.loads(text)) for host, text in checks.items()):
        for part, path in answer["parts"].items():
            size = _size(plan["parts"][part]["bytes"])
            if plan["parts"][part]["mode"] == "complete":
                lines.append(f"{host}: {part}, {size}: files that are missing in {path} come back; nothing is removed.")
            else:
                lines.append(f"{host}: {part}, {size}: takes the place of {path}, which is kept as {path}.before-TIME.")
        lines += [f"{host}: {room}" for room in answer["room"]]
        if answer["proved"]:
            lines.append(f"{host}: proved by an earlier run already: {', '.join(answer['proved'])}.")
        if answer["copies"]:
            lines.append(f"{host}: keeps safety copies of earlier restores: {', '.join(answer['copies'])} (aiko-restore status).")
    for host, text in sorted(units.items()):
        lines.append(f"{host}: stops for that time: {', '.join(sorted({path.rpartition('/')[2] for path in text.split()}))}.")
    lines.append("Before anything stops, all of it is restored beside what runs and compared with the manifest.")
    return lines


def _size(number: int) -> str:
    return f"{number / MB:.1f} MB" if number < 1024 * MB else f"{number / MB / 1024:.1f} GB"


def restore_answers(hosts: list[str], hostvars: dict, name: str) -> dict:
    """Host to what a command printed there; hosts where it did not run, or said nothing, are left out.

    Args:
        hosts: their names.
        hostvars: Ansible's ``hostvars``.
        name: of the variable that holds the command's result.
    """
    found = {host: hostvars[host].get(name, {}).get("stdout") for host in hosts}
    return {host: text for host, text in found.items() if text}


def restore_unsent(plan: dict, checks: dict) -> dict:
    """The plan without what an earlier run has brought to its host and proved there; the time without service may have begun.

    Args:
        plan: of ``aiko-backup plan``.
        checks: host to what ``aiko-restore check`` printed.
    """
    proved = {part for text in checks.values() for part in json.loads(text)["proved"]}
    return {**plan, "parts": {part: entry for part, entry in plan["parts"].items() if part not in proved}}


def restore_undone(statuses: dict) -> dict:
    """Host to the safety copy that undoing puts back: those of the last restore, or of the undoing that was not finished.

    Args:
        statuses: host to what ``aiko-restore status`` printed.
    """
    # A host that has nothing to restore has no aiko-restore; Ansible says in words that it was not asked.
    found = {host: json.loads(text) for host, text in statuses.items() if text.startswith("{")}
    begun = {host: status["running"]["undoing"] for host, status in found.items() if (status["running"] or {}).get("undoing")}
    newest = {host: status["copies"][-1] for host, status in found.items() if status["copies"] and host not in begun}
    if not (begun or newest):
        return {}
    last = max((begun or newest).values(), key=lambda copy: copy["id"])
    return {host: copy for host, copy in (newest | begun).items() if copy["of"] == last["of"]}


def restore_of(staged: dict) -> str:
    """What a restore is called on all of its hosts: as on those that have begun to replace data, or else by its first id.

    Args:
        staged: host to what ``aiko-restore stage`` printed.
    """
    found = [json.loads(text) for text in staged.values()]
    return min([answer["of"] for answer in found if answer["of"]] or [answer["id"] for answer in found])


class FilterModule:
    def filters(self) -> dict:
        return {
            "given_variables": given_variables,
            "restore_answers": restore_answers,
            "restore_errors": restore_errors,
            "restore_of": restore_of,
            "restore_plan_text": restore_plan_text,
            "restore_request": restore_request,
            "restore_undone": restore_undone,
            "restore_unsent": restore_unsent,
        }
