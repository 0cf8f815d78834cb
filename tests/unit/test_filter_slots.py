"""filter_plugins/slots.py: the units of a part that is released by taking turns."""

from tests.unit.support import load

slot_units = load("filter_plugins/slots.py").slot_units
UNITS = slot_units("aiko-x", "X", ["127.0.0.1:1", "192.0.2.1:1"], ["redis.service"], {"User": "x", "Restart": "always"},
                   {"ExecStart": "/serve"}, {"ExecStart": "/serve --private"})  # fmt: skip


def test_the_socket_stays_when_slots_change():
    """The socket starts the part as a whole; a slot that held it would take it along when it goes."""
    assert UNITS["aiko-x.socket"]["Socket"]["ListenStream"] == ["127.0.0.1:1", "192.0.2.1:1"]
    assert UNITS["aiko-x.socket"]["Socket"]["Service"] == "aiko-x.service"
    assert UNITS["aiko-x@.service"]["Service"]["Sockets"] == "aiko-x.socket"
    assert UNITS["aiko-x@.service"]["Unit"]["PartOf"] == "aiko-x.service"
    assert UNITS["aiko-x@.service"]["Unit"]["After"] == ["aiko-x.service", "network.target", "redis.service"]


def test_the_candidate_never_meets_a_visitor_and_is_not_restarted():
    """It fails once, and that is the answer; with the shared socket it would take requests before it is proved."""
    candidate = UNITS["aiko-x-check@.service"]["Service"]
    assert "Sockets" not in candidate and "Install" not in UNITS["aiko-x-check@.service"]
    assert candidate["Restart"] == "no"
    assert (candidate["ExecStart"], candidate["User"]) == ("/serve --private", "x")
    assert candidate["RuntimeDirectory"] == "aiko-x-check-%i"


def test_instances_that_are_containers_have_a_quadlet_each():
    """systemd reads no template of a generator; and what the unit of the other run mode was must not stay beside it."""
    slots = load("filter_plugins/slots.py")
    made = slots.slot_units("aiko-x", "X", ["127.0.0.1:1"], [], {"MemoryMax": "1G"}, {}, {"ExecStartPre": ["/bring %i"]}, {
        "common": {"Image": "x:slot-%i"}, "slot": {"Exec": "serve"}, "candidate": {"Exec": "serve --private"}})
    assert sorted(made) == ["aiko-x-check@blue.container", "aiko-x-check@green.container", "aiko-x.service", "aiko-x.socket",
                            "aiko-x@blue.container", "aiko-x@green.container"]
    slot, candidate = made["aiko-x@green.container"], made["aiko-x-check@green.container"]
    assert slot["Container"] == {"Image": "x:slot-green", "ContainerName": "aiko-x-green", "Exec": "serve"}
    assert slot["Service"] == {"MemoryMax": "1G", "Sockets": "aiko-x.socket"}
    assert candidate["Service"] == {"MemoryMax": "1G", "Restart": "no", "ExecStartPre": ["/bring green"]}
    both = slots.slot_files("aiko-x", {"common": {}}), slots.slot_files("aiko-x", {})
    assert both[0]["gone"] == both[1]["here"] == ["/etc/systemd/system/aiko-x@.service", "/etc/systemd/system/aiko-x-check@.service"]
    assert both[1]["gone"] == both[0]["here"] == [f"/etc/containers/systemd/{name}" for name in (
        "aiko-x@blue.container", "aiko-x@green.container", "aiko-x-check@blue.container", "aiko-x-check@green.container")]
