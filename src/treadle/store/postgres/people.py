"""Rows of the directory to values and back."""

from typing import TYPE_CHECKING

import msgspec

from treadle.model.access import Policy
from treadle.model.entities import Principal
from treadle.model.identity import Credential, Domain, KeyHolder, Project, Token, TokenHolder, User, policies_of

if TYPE_CHECKING:
    from asyncpg import Record

encode_policy = msgspec.json.Encoder().encode
decode_policy = msgspec.json.Decoder(Policy).decode


def to_principal(row: "Record", policies: tuple[Policy, ...]) -> Principal:
    """A row that tells of a user in a project."""
    return Principal(
        project_id=row["project_id"],
        project_name=row["project_name"],
        user_id=row["user_id"],
        user_name=row["user_name"],
        domain_id=row["domain_id"],
        domain_name=row["domain_name"],
        policies=policies,
    )


def to_granted(row: "Record") -> tuple[Policy, ...]:
    """What a row says has been granted: built-in roles by name, policies of the project's own as documents."""
    return policies_of(tuple(row["granted"]), tuple(map(decode_policy, row["documents"])))


def to_domain(row: "Record") -> Domain:
    """The domain a row speaks of."""
    return Domain(id=row["domain_id"], name=row["domain_name"])


def to_project(row: "Record") -> Project:
    """A row of ``projects`` with its domain."""
    return Project(id=row["id"], name=row["name"], domain=to_domain(row))


def to_member(row: "Record") -> User:
    """A row of ``users`` with its domain."""
    return User(
        id=row["id"],
        name=row["name"],
        domain=to_domain(row),
        project_id=row["project_id"],
        enabled=row["enabled"],
        password=row["password"],
    )


def to_token_holder(row: "Record") -> TokenHolder:
    """A row of ``token_holder``."""
    token = Token(
        digest=row["digest"],
        user_id=row["user_id"],
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        project_id=row["scope_project_id"],
        domain_id=row["scope_domain_id"],
        role=row["role"],
        methods=tuple(row["methods"]),
    )
    policies = to_granted(row) if token.role is None else policies_of((token.role,), ())
    return TokenHolder(token, to_principal(row, policies))


def to_credential(row: "Record") -> Credential:
    """A row of ``credentials``."""
    return Credential(**dict(row))


def to_key_holder(row: "Record") -> KeyHolder:
    """A row of ``key_holder``."""
    credential = Credential(
        access=row["access"],
        user_id=row["user_id"],
        project_id=row["key_project_id"],
        sealed=row["sealed"],
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        token_digest=row["token_digest"],
    )
    policies = to_granted(row)
    return KeyHolder(credential, to_principal(row, policies) if policies else None)
