"""Tokens for a name and a password, and what a caller may ask about himself."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

import msgspec
import structlog
from msgspec.structs import replace

from treadle.model.audit import Outcome
from treadle.model.entities import Principal
from treadle.model.errors import LoginRefused, Unauthorized
from treadle.model.identity import DEFAULT_DOMAIN, Domain, Project, Token, TokenHolder, User
from treadle.service.audit import ORIGIN
from treadle.service.deps import Deps, missing
from treadle.service.identity import digest_of
from treadle.service.lockouts import Lockouts
from treadle.service.passwords import Passwords
from treadle.service.signatures import NOBODY, Signatures

WRONG: Final = "The username or password is wrong."
LOCKED: Final = "The account is locked for a while, after too many wrong passwords."
NO_SCOPE: Final = "The user has no role in this project or domain."

WRONG_PASSWORDS: Final = 5
"""Wrong passwords in a row after which a name is locked."""

log = structlog.get_logger("treadle.identity")


class Named(msgspec.Struct, frozen=True, kw_only=True):
    """Something by its id, or by its name in a domain that is named in the same way."""

    id: str | None = None
    name: str | None = None
    domain_id: str | None = None
    domain_name: str | None = None

    def means(self, id: str, name: str, domain: Domain) -> bool:
        """Whether that is what is meant: everything that is given must fit."""
        wanted = (self.id, self.name, self.domain_id, self.domain_name)
        actual = (id, name, domain.id, domain.name)
        return all(want in (None, is_) for want, is_ in zip(wanted, actual, strict=True))


class Login(msgspec.Struct, frozen=True, kw_only=True):
    """Who wants a token, and for what: a project, a domain, or (neither) the user's default project, if he has one."""

    user: Named
    password: str
    project: Named | None = None
    domain: Named | None = None


class Logins(Signatures):
    """Log-ins, and the tokens they give."""

    def __init__(self, deps: Deps) -> None:
        super().__init__(deps)
        self._passwords = Passwords(deps.pools.passwords.run)
        self._wrong = Lockouts(WRONG_PASSWORDS, deps.settings.login_lockout, deps.clock)

    async def log_in(self, login: Login) -> tuple[str, TokenHolder]:
        """A token of the user's own, and what it stands for. It is returned once and stored nowhere.

        Raises `LoginRefused`, for a user that is unknown, kept out or has no password as for a wrong password, and
        after the same time; and for a scope in which he has nothing.
        """
        user = await self._proven(login)
        project, domain = await self._scope(user, login)
        token = self.deps.new_secret()
        digest = digest_of(token)
        now = self.deps.clock.now()
        kept = await self.deps.store.add_token(
            Token(
                digest=digest,
                user_id=user.id,
                created_at=now,
                expires_at=now + timedelta(seconds=self.deps.settings.token_lifetime),
                project_id=project.id if project else None,
                domain_id=domain.id if domain else None,
            ),
            user.password,
        )
        if not kept:
            raise LoginRefused(WRONG)
        return token, await self._look_up(digest, self.deps.clock.monotonic())

    async def show_token(self, p: Principal, token: str | None) -> TokenHolder:
        """What a token of the caller's own stands for; raises `NotFound`."""
        try:
            holder = await self.holder_of(token)
        except Unauthorized:
            raise missing("token") from None
        if holder.principal.user_id != p.user_id:
            raise missing("token")
        return holder

    async def drop_token(self, p: Principal, token: str | None) -> None:
        """End a token of the caller's own, at once in this process; raises `NotFound`."""
        holder = await self.show_token(p, token)
        await self.deps.store.drop_token(holder.token.digest)
        self.forget_token(holder.token.digest)

    async def my_projects(self, p: Principal) -> Sequence[Project]:
        """The projects in which the caller may do something."""
        found = {one.id: one for one in await self.deps.store.projects_of(p.user_id)}
        if p.project_id and p.project_id not in found:
            domain = Domain(id=p.domain_id, name=p.domain_name)
            found[p.project_id] = Project(id=p.project_id, name=p.project_name, domain=domain)
        return sorted(found.values(), key=lambda one: one.name)

    async def _proven(self, login: Login) -> User:
        """The user, if the password is his."""
        user = await self._find(login.user)
        name = user.id if user else str(login.user)
        if self._wrong.locked(name):
            raise LoginRefused(LOCKED)
        kept = user.password if user and user.enabled else None
        right = await self._passwords.fits(login.password, kept)
        if self._wrong.locked(name):
            # Others guessed while this one waited for its turn.
            raise LoginRefused(LOCKED)
        if not right or user is None:
            if self._wrong.failed(name, known=user is not None):
                self._tell_locked(name, user)
            raise LoginRefused(WRONG)
        self._wrong.passed(name)
        return user

    def _tell_locked(self, name: str, user: User | None) -> None:
        """To the log, and on record."""
        log.warning("login_locked", user=name[:256], known=user is not None, address=ORIGIN.get().address)
        by = replace(NOBODY, user_id=user.id, user_name=user.name) if user else NOBODY
        audit = self.deps.audit
        audit.note(audit.event(by, "iam:user:logIn", Outcome.LOCKED, resource=f"user:{name[:64]}"))

    async def _find(self, wanted: Named) -> User | None:
        """The user that is meant; without a domain, one of the default domain."""
        store = self.deps.store
        if wanted.id is not None:
            found = await self.in_time(store.user(wanted.id))
        else:
            domain = wanted.domain_id or wanted.domain_name or DEFAULT_DOMAIN
            found = await self.in_time(store.user_called(domain, wanted.name or ""))
        return found if found and wanted.means(found.id, found.name, found.domain) else None

    async def _scope(self, user: User, login: Login) -> tuple[Project | None, Domain | None]:
        """The project or the domain the token is for."""
        if login.domain is not None:
            if not login.domain.means(user.domain.id, user.domain.name, user.domain):
                raise LoginRefused(NO_SCOPE)
            return None, user.domain
        projects = await self.in_time(self.deps.store.projects_of(user.id))
        if login.project is None:
            return next((one for one in projects if one.id == user.project_id), None), None
        for one in projects:
            if login.project.means(one.id, one.name, one.domain):
                return one, None
        raise LoginRefused(NO_SCOPE)
