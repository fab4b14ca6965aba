"""Where a request comes from: the peer, and whom a trusted proxy speaks for. And where it says it went."""

from ipaddress import ip_network

import pytest

from treadle.api.bodies import Nothing
from treadle.api.middleware import client_address
from treadle.api.routes import Ask
from treadle.model.entities import Principal

PROXIES = (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))


@pytest.mark.parametrize(
    ("peer", "told", "expected"),
    [
        ("192.0.2.1", [], "192.0.2.1"),
        ("192.0.2.1", ["198.51.100.1"], "192.0.2.1"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["203.0.113.9, 198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["203.0.113.9, 198.51.100.1, 10.9.9.9"], "198.51.100.1"),
        ("10.0.0.1", ["203.0.113.9", "198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["10.0.0.2, 10.0.0.3"], "10.0.0.2"),
        ("fd00::1", ["2001:db8::7"], "2001:db8::7"),
        ("10.0.0.1", ["nobody"], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1, \xff"], "10.0.0.1"),
        ("10.0.0.1", [" , ,"], "10.0.0.1"),
        ("10.0.0.1", ["2001:DB8:0:0::7"], "2001:db8::7"),
        ("10.0.0.1", ["fe80::1%local, user id 0"], "10.0.0.1"),
        ("10.0.0.1", ["fe80::1%\x9b2J local"], "fe80::1"),
        ("10.0.0.1", ["::ffff:198.51.100.1"], "198.51.100.1"),
        ("::ffff:10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
    ],
)
def test_only_trusted_proxies_are_believed(peer: str, told: list[str], expected: str) -> None:
    """From the nearest hop on, as long as who speaks is trusted; what is no address is none."""
    headers = [(b"x-forwarded-for", one.encode("latin-1")) for one in told]
    assert client_address({"client": (peer, 1), "headers": headers}, PROXIES) == expected
    assert client_address({"client": (peer, 1), "headers": headers}, ()) == peer


@pytest.mark.parametrize(
    ("host", "base"),
    [
        (b"treadle.example:8760", "http://treadle.example:8760"),
        (b"[2001:db8::1]:80", "http://[2001:db8::1]:80"),
        (b"192.0.2.1", "http://192.0.2.1"),
        (b'evil.example"><script>', ""),
        (b"evil.example/path", ""),
        (b"user@evil.example", ""),
        (b"evil.example\\", ""),
        (b"\xff", ""),
        (b"", ""),
    ],
)
def test_links_lead_to_a_host_or_nowhere(host: bytes, base: str) -> None:
    """What stands in the header of a request gets into the links of an answer only if it is a host."""
    nobody = Principal(project_id="", project_name="", user_id="", user_name="")
    assert Ask(nobody, {}, Nothing(), Nothing(), [(b"host", host)]).base == base
