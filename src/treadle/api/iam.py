"""The identity service's part of the API: tokens for a name and a password, and a caller's own projects.

The bodies are those of Keystone's version 3, as far as clients of this service ask for it.
"""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated, Any, Final

import msgspec
from msgspec import UNSET, Meta, UnsetType
from starlette.responses import Response

from treadle.api.answers import answer
from treadle.api.bodies import Nothing
from treadle.api.errors import UnknownMethod
from treadle.api.headers import SUBJECT
from treadle.api.replies import Reply
from treadle.api.routes import AnyRoute, Ask, Route
from treadle.api.verbs import Callers
from treadle.model.entities import Principal
from treadle.model.errors import BadRequest
from treadle.model.identity import Project, TokenHolder
from treadle.service.identity import stamp
from treadle.service.logins import Login, Named

_SUBJECT: Final = SUBJECT.lower().encode()

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
    """A user by his id, or by his name and his domain; and his password."""

    password: Secret
    id: Word | None = None
    name: Word | None = None
    domain: DomainRef | None = None


class PasswordRef(msgspec.Struct, frozen=True, kw_only=True):
    """The password method."""

    user: UserRef


METHOD: Final = "password"
"""The one method there is."""

Method = Annotated[str, Meta(max_length=64, extra_json_schema={"enum": [METHOD]})]


class IdentityRef(msgspec.Struct, frozen=True, kw_only=True):
    """How the caller proves who he is. Any method can be read, so that one there is not gets an answer of its own."""

    methods: Annotated[tuple[Method, ...], Meta(min_length=1, max_length=16)]
    password: PasswordRef | UnsetType = UNSET


class ScopeRef(msgspec.Struct, frozen=True, kw_only=True):
    """What the token is for."""

    project: ProjectRef | None = None
    domain: DomainRef | None = None


class AuthRef(msgspec.Struct, frozen=True, kw_only=True):
    """Who wants a token, and for what; without a scope it is for the user's default project."""

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
"""What `_login` asks of these beside the types of their fields, for the API description."""

Text = Annotated[str, Meta(max_length=64, description="Any text.")]


class TokenQuery(msgspec.Struct, frozen=True, kw_only=True):
    """The catalog of services is left out in any case."""

    nocatalog: Text | None = None


class ProjectsQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which projects; the names are matched whole."""

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
    """Whom a token stands for."""

    id: str
    name: str
    domain: DomainInfo
    password_expires_at: str = ""


class TokenInfo(Reply, frozen=True, kw_only=True):
    """What a token stands for; its end is null for one of an operator's that has none."""

    catalog: tuple[dict[str, Any], ...] = ()
    expires_at: str | None
    issued_at: str
    methods: tuple[str, ...]
    roles: tuple[RoleInfo, ...]
    user: UserInfo
    project: ProjectInfo | UnsetType = UNSET
    domain: DomainInfo | UnsetType = UNSET


class TokenReply(Reply, frozen=True, kw_only=True):
    """The token itself is in the header only."""

    token: TokenInfo


class Links(Reply, frozen=True, kw_only=True):
    """Where a list is; it is never more than one page."""

    self: str
    next: str | None = None
    previous: str | None = None


class SelfLink(Reply, frozen=True, kw_only=True):
    """Where one thing is."""

    self: str


class ListedProject(Reply, frozen=True, kw_only=True):
    """A project of the caller's."""

    id: str
    name: str
    domain_id: str
    parent_id: str
    links: SelfLink
    description: str = ""
    enabled: bool = True
    is_domain: bool = False


class ProjectsReply(Reply, frozen=True, kw_only=True):
    """Projects of the caller's."""

    projects: tuple[ListedProject, ...]
    links: Links


class ListedDomain(Reply, frozen=True, kw_only=True):
    """The caller's domain."""

    id: str
    name: str
    links: SelfLink
    description: str = ""
    enabled: bool = True


class DomainsReply(Reply, frozen=True, kw_only=True):
    """The caller's domain, in a list of one."""

    domains: tuple[ListedDomain, ...]
    links: Links


class Identity:
    """The operations."""

    def __init__(self, verbs: Callers) -> None:
        self._verbs = verbs

    async def create_token(self, ask: Ask[TokenQuery, CreateToken]) -> Response:
        """Give a token for a name and a password."""
        token, holder = await self._verbs.log_in(_login(ask.body.auth))
        return _token(token, holder, HTTPStatus.CREATED)

    async def show_token(self, ask: Ask[TokenQuery, Nothing]) -> Response:
        """Show what a token of the caller's own stands for."""
        token = _subject(ask.headers)
        return _token(token, await self._verbs.show_token(ask.caller, token))

    async def drop_token(self, ask: Ask[Nothing, Nothing]) -> Response:
        """End a token of the caller's own."""
        await self._verbs.drop_token(ask.caller, _subject(ask.headers))
        return Response(status_code=HTTPStatus.NO_CONTENT)

    async def list_projects(self, ask: Ask[ProjectsQuery, Nothing]) -> Response:
        """List the caller's projects."""
        wanted = Named(name=ask.query.name, domain_id=ask.query.domain_id)
        found = await self._verbs.my_projects(ask.caller)
        listed = tuple(_listed(one) for one in found if wanted.means(one.id, one.name, one.domain))
        return answer(ProjectsReply(projects=listed, links=Links(self="/v3/projects")))

    async def list_domains(self, ask: Ask[Nothing, Nothing]) -> Response:
        """List the caller's domain."""
        own = ask.caller.domain_id
        domain = ListedDomain(id=own, name=ask.caller.domain_name, links=SelfLink(self=f"/v3/domains/{own}"))
        return answer(DomainsReply(domains=(domain,), links=Links(self="/v3/auth/domains")))


def _login(auth: AuthRef) -> Login:
    identity = auth.identity
    if set(identity.methods) != {METHOD}:
        raise UnknownMethod((METHOD,))
    if identity.password is UNSET:
        raise BadRequest("is required and must be an object", field="auth.identity.password")
    user = identity.password.user
    if user.id is None and user.name is None:
        raise BadRequest("is required, or an id", field="auth.identity.password.user.name")
    scope = auth.scope or ScopeRef()
    if scope.project is not None and scope.domain is not None:
        raise BadRequest("must be for a project or for a domain, not both", field="auth.scope")
    if scope.project is not None and scope.project.id is None and scope.project.name is None:
        raise BadRequest("is required, or an id", field="auth.scope.project.name")
    return Login(
        user=_named(user),
        password=user.password,
        project=_named(scope.project) if scope.project is not None else None,
        domain=Named(id=scope.domain.id, name=scope.domain.name) if scope.domain is not None else None,
    )


def _named(ref: UserRef | ProjectRef) -> Named:
    domain = ref.domain or DomainRef()
    return Named(id=ref.id, name=ref.name, domain_id=domain.id, domain_name=domain.name)


def _subject(headers: Sequence[tuple[bytes, bytes]]) -> str:
    """The token that is asked about."""
    given = [value for name, value in headers if name == _SUBJECT]
    if len(given) != 1:
        raise BadRequest("must be given once", field=SUBJECT)
    return given[0].decode("latin-1")


def _token(token: str, holder: TokenHolder, status: int = HTTPStatus.OK) -> Response:
    info, p = holder.token, holder.principal
    domain = DomainInfo(id=p.domain_id, name=p.domain_name)
    reply = TokenInfo(
        expires_at=stamp(info.expires_at) if info.expires_at is not None else None,
        issued_at=stamp(info.created_at),
        methods=info.methods,
        roles=tuple(RoleInfo(id=policy.name, name=policy.name) for policy in p.policies),
        user=UserInfo(id=p.user_id, name=p.user_name, domain=domain),
        project=_project(p, domain) if p.project_id else UNSET,
        domain=domain if info.domain_id is not None else UNSET,
    )
    response = answer(TokenReply(token=reply), status)
    response.headers[SUBJECT] = token
    return response


def _project(p: Principal, domain: DomainInfo) -> ProjectInfo:
    return ProjectInfo(id=p.project_id, name=p.project_name, domain=domain)


def _listed(one: Project) -> ListedProject:
    return ListedProject(
        id=one.id,
        name=one.name,
        domain_id=one.domain.id,
        parent_id=one.domain.id,
        links=SelfLink(self=f"/v3/projects/{one.id}"),
    )


_EXAMPLE: Final = {
    "auth": {
        "identity": {
            "methods": ["password"],
            "password": {"user": {"name": "ann", "password": "correct horse", "domain": {"name": "default"}}},
        },
        "scope": {"project": {"name": "demo"}},
    }
}
_ASKED: Final = {SUBJECT: "The token that is asked about."}
_READS: Final = (400, 401, 403, 429, 500, 503)


def routes(verbs: Callers) -> tuple[AnyRoute, ...]:
    """The table of the identity service."""
    ids = Identity(verbs)
    return (
        Route(
            operation="KeystoneCreateUserTokenByPassword",
            method="POST",
            path="/v3/auth/tokens",
            summary="Get a token for a name and a password.",
            tag="Identity",
            handle=ids.create_token,
            query=TokenQuery,
            body=CreateToken,
            reply=TokenReply,
            status=HTTPStatus.CREATED,
            errors=(400, 401, 408, 413, 415, 429, 500, 503),
            secured=False,
            headers={SUBJECT: "The token."},
            example=_EXAMPLE,
        ),
        Route(
            operation="KeystoneValidateToken",
            method="GET",
            path="/v3/auth/tokens",
            summary="Show what a token of the caller's own stands for.",
            tag="Identity",
            handle=ids.show_token,
            query=TokenQuery,
            body=Nothing,
            reply=TokenReply,
            errors=(400, 401, 403, 404, 429, 500, 503),
            takes=_ASKED,
            headers={SUBJECT: "The token."},
        ),
        Route(
            operation="KeystoneRevokeToken",
            method="DELETE",
            path="/v3/auth/tokens",
            summary="End a token of the caller's own.",
            tag="Identity",
            handle=ids.drop_token,
            query=Nothing,
            body=Nothing,
            status=HTTPStatus.NO_CONTENT,
            errors=(400, 401, 403, 404, 429, 500, 503),
            takes=_ASKED,
        ),
        Route(
            operation="KeystoneListProjects",
            method="GET",
            path="/v3/projects",
            summary="List the projects in which the caller may do something.",
            tag="Identity",
            handle=ids.list_projects,
            query=ProjectsQuery,
            body=Nothing,
            reply=ProjectsReply,
            errors=_READS,
        ),
        Route(
            operation="KeystoneListAuthProjects",
            method="GET",
            path="/v3/auth/projects",
            summary="List the projects in which the caller may do something.",
            tag="Identity",
            handle=ids.list_projects,
            query=ProjectsQuery,
            body=Nothing,
            reply=ProjectsReply,
            errors=_READS,
        ),
        Route(
            operation="KeystoneListAuthDomains",
            method="GET",
            path="/v3/auth/domains",
            summary="List the caller's domain.",
            tag="Identity",
            handle=ids.list_domains,
            query=Nothing,
            body=Nothing,
            reply=DomainsReply,
            errors=_READS,
        ),
    )
