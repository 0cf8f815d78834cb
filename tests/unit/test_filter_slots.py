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
