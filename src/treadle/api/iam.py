"""The identity operations of the API: tokens for a name and a password, and the caller's own projects."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Final

from msgspec import UNSET
from starlette.responses import Response

from treadle.api.answers import answer
from treadle.api.bodies import Nothing
from treadle.api.errors import UnknownMethod
from treadle.api.headers import SUBJECT
from treadle.api.keystone import (
    METHOD,
    AuthRef,
    CreateToken,
    DomainInfo,
    DomainRef,
    DomainsReply,
    Links,
    ListedDomain,
    ListedProject,
    ProjectInfo,
    ProjectRef,
    ProjectsQuery,
    ProjectsReply,
    RoleInfo,
    ScopeRef,
    SelfLink,
    TokenInfo,
    TokenQuery,
    TokenReply,
    UserInfo,
    UserRef,
)
from treadle.api.routes import AnyRoute, Ask, Route
from treadle.api.verbs import Callers
from treadle.model.entities import Principal
from treadle.model.errors import BadRequest
from treadle.model.identity import Project, TokenHolder
from treadle.service.identity import stamp
from treadle.service.logins import Login, Named

_SUBJECT: Final = SUBJECT.lower().encode()


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
