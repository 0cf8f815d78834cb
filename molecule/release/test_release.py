"""The release role: parts that are released beside each other, and take over without a moment of nobody."""

from __future__ import annotations

import json
import threading

import pytest
from scenario import exposure

UNITS = ["aiko-alpha*", "aiko-beta*"]
ASK = "import sys, urllib.request as u; print(u.urlopen('http://127.0.0.1:%s/', timeout=10).read().decode())"
HAMMER = """
import collections, os, urllib.request as u
seen = collections.Counter()
while not os.path.exists('/run/hammer.stop'):
    try:
        seen[u.urlopen('http://127.0.0.1:7001/', timeout=10).read().decode()] += 1
    except OSError as error:
        seen[repr(error)] += 1
import json; print(json.dumps(seen))
"""


def says(host, port: int) -> str:
    return host.check_output("python3 -c %s", ASK % port)


def status(host, part: str) -> dict:
    return json.loads(host.check_output(f"aiko-release --part {part} status"))


@pytest.mark.ledger("OP3")
def test_each_part_serves_its_own_release(host):
    """One command for all parts must never give one part the release of another."""
    assert (says(host, 7001), says(host, 7002)) == ("alpha one", "beta one")
    assert status(host, "alpha")["serving"] == status(host, "beta")["serving"] == "one"


@pytest.mark.ledger("OP3")
def test_systemd_holds_both_sockets(host):
    """Whoever holds the socket never stops: that is what makes a switch without a refused connection possible."""
    lines = [line for line in host.check_output("ss -ltnpH").splitlines() if ":700" in line]
    assert len(lines) == 2 and all('"systemd",pid=1' in line for line in lines)


@pytest.mark.ledger("OP3")
def test_switch_loses_no_request_and_touches_no_other_part(host, converge):
    """The point of two slots; and what was not asked to change keeps its process."""
    other = host.check_output("systemctl show --value --property MainPID aiko-beta@blue aiko-beta@green")
    host.check_output("rm -f /run/hammer.stop; systemd-run --quiet --unit=hammer --property=StandardOutput=truncate:/run/hammer.out "
                      "--property=RemainAfterExit=no python3 -c %s", HAMMER)  # fmt: skip
    play = []
    switch = threading.Thread(target=lambda: play.append(converge({"releases": {"alpha": "two"}})))
    switch.start()
    switch.join()
    host.check_output("touch /run/hammer.stop; while systemctl is-active --quiet hammer; do :; done")
    play[0].succeeded()
    seen = json.loads(host.file("/run/hammer.out").content_string)
    assert set(seen) == {"alpha one", "alpha two"}, seen
    assert min(seen.values()) > 10
    assert host.check_output("systemctl show --value --property MainPID aiko-beta@blue aiko-beta@green") == other


@pytest.mark.ledger("OP3")
def test_release_that_is_ill_never_serves(host, converge):
    """It is asked on a private socket; what served serves on, and the message says where to look."""
    before = says(host, 7001)
    host.check_output("mkdir -p /srv/aiko/alpha/releases/three; touch /srv/aiko/alpha/releases/three/ill")
    converge({"releases": {"alpha": "three"}}).refused("did not become healthy", "503 alpha three", "What served before serves on")
    assert says(host, 7001) == before
    assert host.check_output("systemctl --failed --plain --no-legend") == ""


@pytest.mark.ledger("OP3")
def test_newer_configuration_is_a_switch(host, converge):
    """A restart of the same slot would drop what is under way."""
    before = status(host, "beta")["slot"]
    host.check_output("touch /etc/watched")
    converge({}).succeeded()
    assert status(host, "beta")["slot"] != before
    assert converge({}).succeeded().changed == 0


@pytest.mark.ledger("SY4")
def test_slots_are_hardened(host):
    """Whatever is released this way begins closed; a role opens what it can give a reason for."""
    assert exposure(host, f"aiko-alpha@{status(host, 'alpha')['slot']}") <= 2.5
