"""Where the metadata's server is, as a connection string says: on sockets with a path, or behind TCP."""

import contextlib
import ipaddress
import re
import socket
from collections.abc import Mapping
from typing import Final

import msgspec

DEFAULT_PORT: Final = 5432
FILE_KEYS: Final = ("sslrootcert", "sslcert", "sslkey", "sslcrl", "sslcrldir", "passfile")
"""What a connection string can name files with."""

_PART: Final = re.compile(r"(\w+)\s*=\s*('(?:[^'\\]|\\.)*'|(?:[^\s'\\]|\\.)*)")
_ESCAPE: Final = re.compile(r"\\(.)", re.DOTALL)


class Upstream(msgspec.Struct, frozen=True):
    """A server: the TCP ``ports`` it may answer at, none when it is on sockets; and the files its ``dsn`` names."""

    dsn: str
    ports: tuple[int, ...] = ()
    files: tuple[str, ...] = ()


def upstream(dsn: str) -> Upstream:
    """The server of a libpq string, names of hosts looked up once and for all.

    Asked while names can still be looked up. One that nobody knows is left as it is, for the engine to say so.
    """
    parts = read(dsn)
    hosts = [host for host in (parts.get("hostaddr") or parts.get("host", "")).split(",") if not _on_socket(host)]
    if not hosts:
        return Upstream(dsn)
    ports = tuple(sorted({int(port or DEFAULT_PORT) for port in parts.get("port", "").split(",")}))
    files = tuple(parts[key] for key in FILE_KEYS if parts.get(key, "").startswith("/"))
    return Upstream(dsn if "hostaddr" in parts else _with_address(dsn, parts, hosts), ports, files)


def read(dsn: str) -> Mapping[str, str]:
    """The parts of a libpq string of keys and values."""
    return {key: _plain(value) for key, value in _PART.findall(dsn)}


def _plain(value: str) -> str:
    bare = value[1:-1] if value.startswith("'") else value
    return _ESCAPE.sub(r"\1", bare)


def _on_socket(host: str) -> bool:
    return not host or host.startswith(("/", "@"))


def _with_address(dsn: str, parts: Mapping[str, str], hosts: list[str]) -> str:
    """The address beside the name of the host, for which the certificate still has to be; several hosts stay names."""
    if len(hosts) > 1 or _is_address(hosts[0]):
        return dsn
    with contextlib.suppress(OSError):
        found = socket.getaddrinfo(hosts[0], None, type=socket.SOCK_STREAM)
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        names = ",".join([hosts[0]] * len(addresses))
        rest = " ".join(f"{key}={quoted(value)}" for key, value in parts.items() if key != "host")
        return f"host={quoted(names)} hostaddr={quoted(','.join(addresses))} {rest}"
    return dsn


def _is_address(host: str) -> bool:
    with contextlib.suppress(ValueError):
        return bool(ipaddress.ip_address(host))
    return False


def quoted(value: str) -> str:
    """A value as a libpq string writes it."""
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
