"""The form in which PostgreSQL keeps a password (RFC 5803): the password itself never travels in SQL."""

import base64
import hashlib
import hmac
import secrets
from typing import Final

ITERATIONS: Final = 4096


def scram_verifier(password: str) -> str:
    """The SCRAM-SHA-256 verifier of an ASCII password, with a fresh salt."""
    salt = secrets.token_bytes(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode("ascii"), salt, ITERATIONS)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    return f"SCRAM-SHA-256${ITERATIONS}:{_text(salt)}${_text(stored)}:{_text(server)}"


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode()
