"""Where a database is, in parts, so that a password is never part of a text that is shown."""

from pathlib import Path
from typing import Final, Self
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

import msgspec

from treadle.model.errors import ConfigError

OWN_FILES: Final = {
    "sslrootcert": "root.crt",
    "sslcert": "postgresql.crt",
    "sslkey": "postgresql.key",
    "sslcrl": "root.crl",
}
"""What libpq looks for in ``~/.postgresql`` before it connects over TCP, by the option that names it."""


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """A database of a PostgreSQL server; ``host`` is a name, an address or the folder of a socket.

    ``options`` are further connection parameters of the dsn (``sslmode`` and so on).
    """

    host: str
    port: int = 5432
    user: str
    database: str
    password: str = ""
    options: tuple[tuple[str, str], ...] = ()

    @classmethod
    def parse(cls, dsn: str) -> Self:
        """The parts of ``postgresql://user:password@host:port/database?host=folder``.

        Raises `ConfigError`, without the dsn in its message.
        """
        try:
            url = urlsplit(dsn)
            options = dict(parse_qsl(url.query.replace("+", "%2B")))  # a plus is a plus, as in libpq
            port = url.port or int(options.pop("port", "5432"))
        except ValueError:
            raise ConfigError("database_url: not a PostgreSQL dsn") from None
        if url.scheme not in ("postgresql", "postgres"):
            raise ConfigError("database_url: must begin with postgresql://")
        user = _unquote(url.username) or options.pop("user", "")
        return cls(
            host=options.pop("host", "") or _unquote(url.hostname) or "localhost",
            port=port,
            user=user,
            database=_unquote(url.path.lstrip("/")) or options.pop("dbname", "") or user,
            password=_unquote(url.password) or options.pop("password", ""),
            options=tuple(sorted(options.items())),
        )

    def at(self, *, database: str, user: str | None = None, password: str = "") -> "Address":
        """Another database of the same server, as the same user unless told otherwise."""
        if user is None:
            return msgspec.structs.replace(self, database=database)
        return msgspec.structs.replace(self, database=database, user=user, password=password)

    def naming_files(self, home: Path) -> "Address":
        """With the certificates that libpq would find in ``home`` as options: a worker has another home."""
        if self.host.startswith(("/", "@")):
            return self
        found = {option: home / ".postgresql" / name for option, name in OWN_FILES.items()}
        named = {option: str(path) for option, path in found.items() if path.exists()}
        return msgspec.structs.replace(self, options=tuple(sorted({**named, **dict(self.options)}.items())))

    @property
    def dsn(self) -> str:
        """The whole as one URL, password included: never log it."""
        secret = f":{quote(self.password, safe='')}" if self.password else ""
        query = urlencode({"host": self.host, "port": self.port, **dict(self.options)}, quote_via=quote)
        return f"postgresql://{quote(self.user, safe='')}{secret}@/{quote(self.database, safe='')}?{query}"

    @property
    def libpq(self) -> str:
        """The parts as a libpq string without the password."""
        parts = {"host": self.host, "port": str(self.port), "user": self.user, "dbname": self.database}
        return " ".join(f"{key}={_value(value)}" for key, value in {**parts, **dict(self.options)}.items())

    def __repr__(self) -> str:
        """Everything but the password."""
        return f"Address({self.libpq})"


def _unquote(text: str | None) -> str:
    return unquote(text or "")


def _value(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'" if not escaped or escaped != text or " " in text else text
