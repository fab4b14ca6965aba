"""The listening socket of the service and its certificate."""

import ipaddress
import socket
import ssl

from treadle.api.http import Certificate
from treadle.config import Settings
from treadle.model.errors import ConfigError


def bind(host: str, port: int) -> socket.socket:
    """Open a listening socket; raises `ConfigError` when the address is in use or not of this machine."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
    except OSError as error:
        sock.close()
        raise ConfigError(f"host, port: cannot listen on {host}:{port}: {error.strerror or error}") from None
    sock.listen(1024)
    return sock


def certificate(settings: Settings) -> ssl.SSLContext | None:
    """Load the TLS certificate, None for plain HTTP; raises `ConfigError` where others could read plain HTTP."""
    cert, key = settings.tls_cert, settings.tls_key
    if cert is None and key is None:
        if not settings.allow_plain_http and not _is_loopback(settings.host):
            raise ConfigError(
                f"host: {settings.host} can be reached from other machines, which can read tokens without TLS: "
                "give tls_cert and tls_key, or set allow_plain_http"
            )
        return None
    if cert is None or key is None:
        raise ConfigError(f"{'tls_cert' if cert is None else 'tls_key'}: TLS needs both a certificate and its key")
    try:
        return Certificate(cert, key).context()
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"tls_cert, tls_key: {cert} and {key} cannot be used: {error}") from None


def _is_loopback(host: str) -> bool:
    """Check whether an address is a loopback address; a name is one if all its addresses are."""
    try:
        found = {info[4][0] for info in socket.getaddrinfo(host or "0.0.0.0", None)}  # noqa: S104 (that is what "" means)
    except OSError:
        return False
    return all(ipaddress.ip_address(str(one).partition("%")[0]).is_loopback for one in found)
