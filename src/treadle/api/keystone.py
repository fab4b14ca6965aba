"""The bodies of Keystone's version 3, as far as clients of this service use them."""

from typing import Annotated, Any, Final

import msgspec
from msgspec import UNSET, Meta, UnsetType

from treadle.api.replies import Reply

Word = Annotated[str, Meta(min_length=1, max_length=64, description="1-64 characters.")]
Secret = Annotated[str, Meta(min_length=1, max_length=128, description="1-128 characters.")]


class DomainRef(msgspec.Struct, frozen=True, kw_only=True):
    """A domain by its id or its name."""

    id: Word | None = None
    name: Word | None = None


class ProjectRef(msgspec.Struct, frozen=True, kw_only=True):
    """A project by its id, or by its name and perhaps its domain."""

    id: Word | None = None
    name: Word | None = None
    domain: DomainRef | None = None


class UserRef(msgspec.Struct, frozen=True, kw_only=True):
    """A user by id, or by name and domain, with the password."""

    password: Secret
    id: Word | None = None
    name: Word | None = None
    domain: DomainRef | None = None


class PasswordRef(msgspec.Struct, frozen=True, kw_only=True):
    """The password method."""

    user: UserRef


METHOD: Final = "password"
"""The only supported method."""

Method = Annotated[str, Meta(max_length=64, extra_json_schema={"enum": [METHOD]})]


class IdentityRef(msgspec.Struct, frozen=True, kw_only=True):
    """How callers prove who they are. Any method can be read, so that an unknown one gets an answer of its own."""

    methods: Annotated[tuple[Method, ...], Meta(min_length=1, max_length=16)]
    password: PasswordRef | UnsetType = UNSET


class ScopeRef(msgspec.Struct, frozen=True, kw_only=True):
    """The project or the domain of the token."""

    project: ProjectRef | None = None
    domain: DomainRef | None = None


class AuthRef(msgspec.Struct, frozen=True, kw_only=True):
    """The user and the scope of a token; the default scope is the default project of the user."""

    identity: IdentityRef
    scope: ScopeRef | None = None


class CreateToken(msgspec.Struct, frozen=True, kw_only=True):
    """The body of KeystoneCreateUserTokenByPassword."""

    auth: AuthRef


_GIVEN: Final = [{"required": [one], "properties": {one: {"type": "string"}}} for one in ("id", "name")]
SHAPES: Final[dict[str, dict[str, Any]]] = {
    "IdentityRef": {"required": ["methods", "password"]},
    "UserRef": {"anyOf": _GIVEN},
    "ProjectRef": {"anyOf": _GIVEN},
    "ScopeRef": {
        "not": {
            "required": ["project", "domain"],
            "properties": {one: {"type": "object"} for one in ("project", "domain")},
        }
    },
}
"""Rules of these bodies beside the types of their fields, for the API description; `treadle.api.iam` checks them."""

Text = Annotated[str, Meta(max_length=64, description="Any text.")]


class TokenQuery(msgspec.Struct, frozen=True, kw_only=True):
    """The query of a token; the catalog of services is always left out."""

    nocatalog: Text | None = None


class ProjectsQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Filters of the list of projects; the whole name must match."""

    name: Text | None = None
    domain_id: Text | None = None


class DomainInfo(Reply, frozen=True, kw_only=True):
    """A domain."""

    id: str
    name: str


class ProjectInfo(Reply, frozen=True, kw_only=True):
    """The project a token is for."""

    id: str
    name: str
    domain: DomainInfo


class RoleInfo(Reply, frozen=True, kw_only=True):
    """A built-in role, or a policy of the project's own, that the caller has."""

    id: str
    name: str


class UserInfo(Reply, frozen=True, kw_only=True):
    """The user of a token."""

    id: str
    name: str
    domain: DomainInfo
    password_expires_at: str = ""


class TokenInfo(Reply, frozen=True, kw_only=True):
    """The contents of a token; the end is null for a token of an operator without one."""

    catalog: tuple[dict[str, Any], ...] = ()
    expires_at: str | None
    issued_at: str
    methods: tuple[str, ...]
    roles: tuple[RoleInfo, ...]
    user: UserInfo
    project: ProjectInfo | UnsetType = UNSET
    domain: DomainInfo | UnsetType = UNSET


class TokenReply(Reply, frozen=True, kw_only=True):
    """The contents of a token; the token itself is in the header only."""

    token: TokenInfo


class Links(Reply, frozen=True, kw_only=True):
    """The address of a list, which is never more than one page."""

    self: str
    next: str | None = None
    previous: str | None = None


class SelfLink(Reply, frozen=True, kw_only=True):
    """The address of one entry of a list."""

    self: str


class ListedProject(Reply, frozen=True, kw_only=True):
    """A project of the caller."""

    id: str
    name: str
    domain_id: str
    parent_id: str
    links: SelfLink
    description: str = ""
    enabled: bool = True
    is_domain: bool = False


class ProjectsReply(Reply, frozen=True, kw_only=True):
    """Projects of the caller."""

    projects: tuple[ListedProject, ...]
    links: Links


class ListedDomain(Reply, frozen=True, kw_only=True):
    """The domain of the caller."""

    id: str
    name: str
    links: SelfLink
    description: str = ""
    enabled: bool = True


class DomainsReply(Reply, frozen=True, kw_only=True):
    """The domain of the caller, in a list of one."""

    domains: tuple[ListedDomain, ...]
    links: Links
