"""Where a database is, as it is told to a worker."""

from pathlib import Path

import pytest

from treadle.store.dsn import Address


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home folder with a certificate to check servers with, and a key without its certificate."""
    (tmp_path / ".postgresql").mkdir()
    for name in ("root.crt", "postgresql.key"):
        (tmp_path / ".postgresql" / name).touch()
    return tmp_path


def test_certificates_at_home_are_named(home: Path) -> None:
    """What libpq would find at home is an option of the address, so that it is found from another home."""
    address = Address.parse("postgresql://u@db.internal/d?sslmode=verify-full").naming_files(home)
    assert dict(address.options) == {
        "sslmode": "verify-full",
        "sslrootcert": str(home / ".postgresql" / "root.crt"),
        "sslkey": str(home / ".postgresql" / "postgresql.key"),
    }


def test_what_the_operator_names_stays(home: Path) -> None:
    """A file that the dsn names is not replaced by one at home."""
    address = Address.parse("postgresql://u@db.internal/d?sslrootcert=/etc/ca.pem&sslkey=/etc/key.pem")
    assert address.naming_files(home) == address


@pytest.mark.parametrize("host", ["/run/postgresql", "@abstract"])
def test_a_socket_needs_no_certificate(home: Path, host: str) -> None:
    """On a socket of this machine there is no TLS."""
    address = Address(host=host, user="u", database="d")
    assert address.naming_files(home) == address


def test_a_home_without_certificates_changes_nothing(tmp_path: Path) -> None:
    """Without such files the address stays as it is."""
    address = Address(host="db.internal", user="u", database="d")
    assert address.naming_files(tmp_path) == address
