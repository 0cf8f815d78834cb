"""filter_plugins/restore.py: what was asked for on the command line."""

import json

import pytest

from tests.unit.support import load, playbook

restore = load("filter_plugins/restore.py")
GROUPS = {"backup": ["store"]}


def errors(given, groups=None):
    return restore.restore_errors(given, GROUPS if groups is None else groups, ["aiko_environment"])


@pytest.mark.parametrize("given", [
    {"backup_id": "latest"}, {"backup_id": "20260121_143000", "parts": "uploads, redis", "restore_confirm": True},
    {"restore_to": "2026-01-21", "_raw_params": "14:29:00+00"}, {"restore_undo": "yes", "ansible_user": "x", "aiko_environment": "x"},
])  # fmt: skip
def test_requests_that_are_clear(given):
    assert errors(given) == []


@pytest.mark.parametrize(("given", "words"), [
    ({"backupid": "latest"}, "variable backupid is not one that restore.yml knows. Expected: backup_id, restore_to"),
    ({"backupid": "latest"}, "did you mean backup_id?"),
    ({}, "none of backup_id, restore_to and restore_undo was given"),
    ({"backup_id": "latest", "restore_undo": "yes"}, "backup_id and restore_undo was given"),
    ({"backup_id": "latest", "restore_to": "2026-01-21 14:29:00+00"}, "backup_id and restore_to was given"),
    ({"backup_id": "2026"}, "backup_id is '2026'. Expected: YYYYMMDD_HHMMSS"),
    ({"backup_id": "latest", "_raw_params": "= x"}, "'= x' belongs to no variable"),
    ({"backup_id": "latest", "parts": "redis,all"}, "parts names all. Expected: some of postgresql, redis, uploads, grafana"),
])  # fmt: skip
def test_requests_that_are_not(given, words):
    assert any(words in error for error in errors(given)), errors(given)


def test_without_a_backup_host_there_is_nothing_to_restore_from():
    assert "group 'backup' is empty" in errors({"backup_id": "latest"}, {"backup": []})[0]


def test_a_time_that_ansible_has_split_is_put_together():
    """-e restore_to='2026-01-21 14:29:00+00' loses its quotes in the shell, and its second half in Ansible."""
    found = restore.restore_request({"restore_to": "2026-01-21", "_raw_params": "14:29:00+00", "parts": "uploads,,redis "})
    assert found["restore_to"] == "2026-01-21 14:29:00+00"
    assert found["parts"] == ["uploads", "redis"] and not found["confirm"] and not found["undo"]


def test_the_command_line_is_read(tmp_path):
    """As an operator types it."""
    book = tmp_path / "book.yml"
    book.write_text("- hosts: localhost\n  gather_facts: false\n  become: false\n  connection: local\n  tasks:\n"
                    "    - ansible.builtin.debug: {msg: \"FOUND {{ {} | given_variables | restore_request | to_json }} END\"}\n")
    done = playbook(tmp_path, "-i", "localhost,", str(book), "-e", "restore_to=2026-01-21 14:29:00+00", "-e", "restore_confirm=yes")
    assert done.returncode == 0, done.stdout + done.stderr
    text = " ".join(done.stdout.split())
    assert "2026-01-21 14:29:00+00" in text and '"confirm": true' in text.replace('\\"', '"'), text


PLAN = {"id": "20260121_143000", "restore_to": None, "moment": "2026-01-21T14:30:05+00:00", "proven": None, "environment": "a", "here": "a",
        "releases": {"backend": "r1", "frontend": None}, "parts": {"uploads": {"bytes": 3 * 2**30, "mode": "replace"}}}  # fmt: skip


def text(**changes):
    checks = {"db": json.dumps({"parts": {"uploads": "/x"}, "room": ["/: takes 1 of 2 MB"], "copies": ["20260101_000000"], "proved": []})}
    units = {"app": "/etc/a.wants/aiko-beat.service\n/etc/b.wants/aiko-beat.service"}
    return "\n".join(restore.restore_plan_text(PLAN | changes, checks, units))


def test_the_plan_says_what_is_replaced_and_what_stops():
    found = text()
    for words in ("not proven by a trial restore yet", "Made with backend r1.",
                  "db: uploads, 3.0 GB: takes the place of /x, which is kept as /x.before-TIME",
                  "keeps safety copies of earlier restores: 20260101_000000", "app: stops for that time: aiko-beat.service."):
        assert words in found


def test_the_plan_says_where_proof_and_environment_are_special():
    found = text(proven=1769000000, here="b")
    assert "proven by a trial restore at 2026-01-21" in found and "AND THIS IS b" in found


def test_what_was_proved_is_not_sent_again():
    """After a kill between stopping and starting, each minute is one without service."""
    plan = {"id": "x", "parts": {"uploads": {"id": "x"}, "redis": {"id": "x"}}}
    checks = {"a": '{"proved": ["uploads"]}', "b": '{"proved": []}'}
    assert restore.restore_unsent(plan, checks) == {"id": "x", "parts": {"redis": {"id": "x"}}}


def test_undoing_is_of_the_last_restore_alone():
    def status(*copies, undoing=None):
        running = {"undoing": dict(zip(("id", "of"), undoing, strict=True))} if undoing else None
        return json.dumps({"running": running, "copies": [{"id": identifier, "of": of, "parts": {}} for identifier, of in copies]})

    found = restore.restore_undone({"a": status(("1", "x"), ("5", "y")), "b": status(("4", "y")), "c": status(("3", "x")), "d": status()})
    assert sorted(found) == ["a", "b"]
    assert restore.restore_undone({}) == {}
    begun = {"a": status(("9", "y-undone"), undoing=("5", "y")), "b": status(("4", "y")), "c": status(("8", "y-undone"))}
    assert sorted(restore.restore_undone(begun)) == ["a", "b"], "what was put back on c already stays"
    skipped = "skipped, since /usr/local/sbin/aiko-restore does not exist"
    assert sorted(restore.restore_undone({"a": status(("1", "x")), "worker": skipped})) == ["a"]


def test_a_restore_has_one_name_on_all_hosts():
    def staged(identifier, of=None):
        return json.dumps({"id": identifier, "of": of})

    assert restore.restore_of({"a": staged("2"), "b": staged("1")}) == "1"
    assert restore.restore_of({"a": staged("2", "2"), "b": staged("1")}) == "2", "b was killed before it began"
