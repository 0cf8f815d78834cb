"""The whole platform on one host, through site.yml."""

import os
import re
import signal
import subprocess

import pytest
from scenario import eventually

UNITS = ["aiko-*", "nginx", "postgresql@*", "redis-server@*"]


def ready(host) -> bool:
    script = "import urllib.request as u; u.urlopen('http://127.0.0.1:5000/health/detailed', timeout=10)"
    return host.run("python3 -c %s", script).rc == 0 and "pong" in host.run("aiko-celery inspect ping --timeout 3").stdout


@pytest.mark.ledger("SY3")
def test_secrets_are_generated_encrypted_and_unique(scenario, secrets):
    """One secret for two purposes is half a secret; one that is committed in the clear is none."""
    raw = (scenario.ephemeral / "secrets/secrets.yml").read_text()
    assert raw.startswith("$ANSIBLE_VAULT;")
    assert {"postgresql_password", "redis_password", "secret_key", "jwt_secret_key"} <= set(secrets)
    assert len(set(secrets.values())) == len(secrets)
    assert all(re.fullmatch(r"[0-9a-f]{64}", value) for value in secrets.values())


@pytest.mark.ledger("OP6", "SY3")
def test_wrong_vault_password_is_refused_before_anything(scenario, converge, monkeypatch, tmp_path):
    """New secrets over old data would lock the application out of its own database."""
    (tmp_path / "other").write_text("not the password\n")
    before = (scenario.ephemeral / "secrets/secrets.yml").read_text()
    monkeypatch.setitem(scenario.environment, "AIKO_VAULT_PASSWORD_FILE", str(tmp_path / "other"))
    play = converge({}).refused("the vault password does not open")
    assert play.changed == 0
    assert (scenario.ephemeral / "secrets/secrets.yml").read_text() == before


@pytest.mark.ledger("OP6")
def test_killed_run_is_taken_up_again(scenario, host, converge):
    """Laptops are closed and connections drop in the middle of a deploy."""
    if scenario.directory.name != "site":
        pytest.skip("how a run is taken up again is the same on every release of Debian, and takes two minutes: site shows it")
    extra = ["--extra-vars", '{"backend_environment_extra": {"LOG_LEVEL": "WARNING"}, "redis_settings": {"maxclients": 3900}}']
    command = ["ansible-playbook", "--inventory", str(scenario.ephemeral / "inventory"), *extra, "site.yml"]
    for task in ("Write the instances' configuration", "Write the environment, the credentials"):
        killed = subprocess.Popen(
            command, env=scenario.environment | {"ANSIBLE_DISPLAY_OK_HOSTS": "True", "PYTHONUNBUFFERED": "1"},
            cwd=scenario.project, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
        )  # fmt: skip
        for line in killed.stdout:
            if task in line:
                break
        else:
            pytest.fail(f"the run ended before the task '{task}'")
        # The line after the task's name is its result: then its files are written and nothing has been restarted.
        killed.stdout.readline()
        os.killpg(killed.pid, signal.SIGKILL)
        killed.wait()
    variables = {"backend_environment_extra": {"LOG_LEVEL": "WARNING"}, "redis_settings": {"maxclients": 3900}}
    converge(variables).succeeded()
    assert "3900" in host.check_output("aiko-redis queue CONFIG GET maxclients")
    slot = host.check_output("systemctl list-units --plain --no-legend --state=active 'aiko-backend@*' | cut -d' ' -f1")
    assert "LOG_LEVEL=WARNING" in host.check_output(f"tr '\\0' '\\n' < /proc/$(systemctl show --value --property MainPID {slot})/environ")
    assert converge(variables).succeeded().changed == 0


@pytest.mark.ledger("OP6", "PG6", "RD3")
def test_everything_is_back_after_a_reboot(scenario, host):
    """A power cut at night must not need a person."""
    scenario.lab("reboot", scenario.names[0])
    eventually(lambda: ready(host), "all services are healthy", 60, every=0.5)
    assert host.check_output("systemctl --failed --plain --no-legend") == ""
