"""Who there is: domains, their projects and users, and what a user proves himself with."""

from datetime import datetime
from typing import Final

import msgspec

from treadle.model.access import BUILT_IN, Policy
from treadle.model.entities import Principal

DEFAULT_DOMAIN: Final = "default"
"""The name, and the id, of the domain of whatever names none."""

ID_CHARS: Final = 16
"""Length of a token's id."""


class Domain(msgspec.Struct, frozen=True, kw_only=True):
    """An account: projects and users belong to it."""

    id: str
    name: str


class Project(msgspec.Struct, frozen=True, kw_only=True):
    """What workspaces belong to, and what a token or a signature speaks for."""

    id: str
    name: str
    domain: Domain


class User(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody of a domain. ``project_id`` is his default project, ``password`` the hash of his password."""

    id: str
    name: str
    domain: Domain
    project_id: str | None = None
    enabled: bool = True
    password: str | None = None


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """That a user has a built-in role, or a policy of the project's own, in a project."""

    user_id: str
    project_id: str
    policy: str


class Credential(msgspec.Struct, frozen=True, kw_only=True):
    """An access key. ``sealed`` is its secret key, encrypted.

    A temporary one has an end, and a security token, of which the SHA-256 digest is kept.
    ``project_id`` is the project of requests that name none.
    """

    access: str
    user_id: str
    project_id: str
    sealed: bytes
    created_at: datetime
    expires_at: datetime | None = None
    token_digest: bytes | None = None


class Token(msgspec.Struct, frozen=True, kw_only=True):
    """A token: its SHA-256 digest and whom it stands for, never the token itself.

    It speaks for a project, for a domain or, without either, for the user alone. ``role`` is the
    built-in role an operator gave it; without one it has what its user has been granted in the project.
    ``methods`` tells how it was got.
    """

    digest: bytes
    user_id: str
    created_at: datetime
    expires_at: datetime | None = None
    project_id: str | None = None
    domain_id: str | None = None
    role: str | None = None
    methods: tuple[str, ...] = ("password",)

    @property
    def id(self) -> str:
        """A short digest that identifies the token without revealing it."""
        return self.digest.hex()[:ID_CHARS]


class TokenHolder(msgspec.Struct, frozen=True):
    """A token and whom it stands for."""

    token: Token
    principal: Principal


class KeyHolder(msgspec.Struct, frozen=True):
    """An access key and whom it stands for; nobody in a project where its user has been granted nothing."""

    credential: Credential
    principal: Principal | None


def policies_of(granted: tuple[str, ...], own: tuple[Policy, ...]) -> tuple[Policy, ...]:
    """The policies behind the names a user has been granted, where ``own`` are those of the project's own."""
    known = {**{policy.name: policy for policy in own}, **BUILT_IN}
    return tuple(known[name] for name in sorted(granted) if name in known)
