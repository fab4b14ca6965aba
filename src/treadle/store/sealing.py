"""Secrets that must be known in clear, kept so that the database alone does not tell them.

Each is encrypted with AES-256-GCM under a key that lies in a file beside the database and is bound to
its own name, so that no row can take the place of another.
"""

import contextlib
import os
import secrets
from pathlib import Path
from typing import Final, Self

from treadle.model.errors import ConfigError, TreadleError

KEY_FILE: Final = "credential.key"
_KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12


class SealError(TreadleError):
    """A secret that this key does not open: it was sealed under another, or is not what it was."""


class Sealer:
    """Seals and opens."""

    def __init__(self, key: bytes) -> None:
        # A library that only those need who have secrets to keep.
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        self._cipher = AESGCM(key)

    @classmethod
    def at(cls, path: Path) -> Self:
        """With the key in the file, made (0600) if it is missing. Blocking; raises `ConfigError`."""
        with contextlib.suppress(FileExistsError):
            _make(path)
        if path.stat().st_mode & 0o077:
            raise ConfigError(f"credential_key: {path} can be read by others; make it 0600")
        try:
            key = bytes.fromhex(path.read_text().strip())
        except ValueError:
            key = b""
        if len(key) != _KEY_BYTES:
            raise ConfigError(f"credential_key: {path} does not hold 64 hexadecimal digits")
        return cls(key)

    def seal(self, secret: str, name: str) -> bytes:
        """The secret of that name, sealed."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, secret.encode(), name.encode())

    def open(self, sealed: bytes, name: str) -> str:
        """The secret of that name; raises `SealError`."""
        from cryptography.exceptions import InvalidTag

        try:
            return self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], name.encode()).decode()
        except (InvalidTag, ValueError):
            raise SealError(f"the secret of {name} cannot be opened") from None


def _make(path: Path) -> None:
    """Write a fresh key; raises `FileExistsError` when there is one, whoever made it at the same time."""
    if path.exists():
        return
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(_KEY_BYTES) + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.link(fresh, path)
    finally:
        fresh.unlink()
