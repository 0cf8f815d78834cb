"""What a PostgreSQL in a container needs for its backups, and what it gets to see for that."""

from __future__ import annotations

import json

import pytest
from scenario import eventually

UNITS = ["postgresql@*"]


@pytest.fixture(scope="module")
def app(hosts):
    return hosts["recontain-app"]


@pytest.mark.ledger("OP1", "SY4")
def test_the_server_sees_what_archiving_needs_and_no_more(app):
    """Whoever breaks into the server finds no more of its host than as a package: its own data, and its own key."""
    mounts = json.loads(app.check_output("podman inspect postgres"))[0]["Mounts"]
    assert {mount["Source"]: mount["RW"] for mount in mounts if mount["Type"] == "bind"} == {
        "/etc/postgresql": False, "/etc/postgresql/accounts": False, "/run/postgresql": True, "/var/lib/postgresql": True,
        "/etc/pgbackrest": False, "/etc/aiko/backup": False, "/usr/local/lib/aiko": False,
    }  # fmt: skip
    readable = app.check_output("podman exec postgres find /etc/aiko /etc/pgbackrest -type f -readable").split()
    assert sorted(readable) == [
        "/etc/aiko/backup/known_hosts", "/etc/aiko/backup/postgres/key", "/etc/aiko/backup/postgres/key.pub", "/etc/aiko/backup/ssh_config",
        "/etc/pgbackrest/pgbackrest.conf",
    ]  # fmt: skip


@pytest.mark.ledger("OP1")
def test_write_ahead_log_leaves_the_container(app):
    """By the image's own pgBackRest, over SSH, to the host that keeps the backups."""
    def ask(query: str) -> str:
        return app.check_output("cd / && runuser -u postgres -- psql -XAtqc %s", query)

    segment = ask("SELECT pg_walfile_name(pg_current_wal_insert_lsn()); SELECT pg_logical_emit_message(true, 'aiko', 'x'), pg_switch_wal()")
    segment = segment.split()[0]
    eventually(lambda: ask(f"SELECT last_archived_wal >= '{segment}' FROM pg_stat_archiver") == "t", "it is archived", 60)
    assert app.run(f"podman exec postgres ls /var/lib/postgresql/17/main/pg_wal/archive_status/{segment}.ready").rc != 0


@pytest.fixture
def refused(converge, app):
    """Ask for an image of that name, and see PostgreSQL go on as it was."""
    def ask(image: str, *words: str) -> None:
        serving = app.check_output("podman inspect postgres --format '{{.Id}}'")
        play = converge({"podman_image_source": "pull", "postgresql_image": image, "postgresql_version": "17"}, "--limit=recontain-app")
        play.refused("recontain-app: ", image, *words, "What runs was not touched")
        assert app.check_output("podman inspect postgres --format '{{.Id}}'") == serving

    return ask


@pytest.mark.ledger("OP1", "SY1")
def test_an_image_that_cannot_archive_is_refused(refused, app):
    """Upstream's has no pgBackRest: without it the write-ahead log would fill the disk."""
    image = "registry.test/postgres:17"
    app.check_output("podman tag $(podman inspect redis --format '{{.ImageName}}') %s", image)
    refused(image, "lacks pgbackrest or ssh")


@pytest.mark.ledger("OP1", "SY1")
def test_an_image_with_another_pgbackrest_is_refused(refused, app):
    """Two versions do not speak with each other, so that the write-ahead log would fill the disk just as well."""
    image = "registry.test/postgres:17-other"
    app.check_output("printf '#!/bin/sh\\necho pgBackRest 1.0\\n' >/root/pgbackrest && chmod 755 /root/pgbackrest")
    serving = app.check_output("podman inspect postgres --format '{{.ImageName}}'")
    app.check_output("printf 'FROM %%s\\nCOPY pgbackrest /usr/bin/\\n' %s >/root/Containerfile", serving)
    app.check_output("cd /root && podman build --tag %s .", image)
    refused(image, "the host has pgBackRest 2.", "pgBackRest 1.0", "Expected: the same version")
