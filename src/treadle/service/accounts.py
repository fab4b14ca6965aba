"""The operator's hand on who there is: users, what they may do, and their access keys.

Whoever calls these verbs is trusted: they are for commands beside the service, and no route leads here.
"""

import secrets
import shlex
import string
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import msgspec

from treadle.model.access import BUILT_IN, Policy
from treadle.model.entities import Principal
from treadle.model.errors import BadRequest, NotFound
from treadle.model.identity import DEFAULT_DOMAIN, Credential, Grant, Project, TokenHolder, User
from treadle.service import passwords
from treadle.service.identity import digest_of, token_id
from treadle.service.logins import Logins
from treadle.store.base import Wake

ACCESS_CHARS: Final = 20
SECRET_CHARS: Final = 40
"""Characters of an access key (capitals and digits) and of a secret key (letters and digits)."""

MAX_NAME: Final = 64

OPERATOR: Final = "operator"
"""Who does all this, on record."""


class NewCredential(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An access key as it is told once: nobody can be told the secret again."""

    access: str
    secret: str
    securitytoken: str | None = None
    expires_at: datetime | None = None


class Accounts(Logins):
    """Users, grants, policies and access keys."""

    async def ensure_project(self, project: str, domain: str = DEFAULT_DOMAIN) -> Project:
        """The project of that name, made if there is none; so is its domain."""
        _check_name(project, "project")
        _check_name(domain, "domain")
        new_domain = DEFAULT_DOMAIN if domain == DEFAULT_DOMAIN else self.deps.new_id()
        return await self.deps.store.ensure_project(domain, project, new_domain, self.deps.new_id())

    async def create_user(
        self, project: str, name: str, role: str, password: str | None = None, domain: str = DEFAULT_DOMAIN
    ) -> tuple[User, Project]:
        """A new user with a role in a project, which becomes his default one and is made if there is none.

        A user of the domain who has nothing in the project yet is given the role there: a name is one user in
        all projects. His default project stays, and so does a password he has. Raises `BadRequest`.
        """
        _check_name(name, "name")
        kept = await self._hashed(password)
        place = await self.ensure_project(project, domain)
        await self._check_policy(place, role)
        user = User(id=self.deps.new_id(), name=name, domain=place.domain, project_id=place.id, password=kept)
        if not await self.deps.store.add_user(user):
            user = await self._newcomer(domain, name, place, password)
            if user.password is None and kept is not None:
                await self.deps.store.change_password(user.id, kept)
        await self.deps.store.add_grant(Grant(user_id=user.id, project_id=place.id, policy=role))
        await self._done("user:create", f"user:{user.id}", f"{name}: {role}", place.id)
        return user, place

    async def find_user(self, name: str, domain: str = DEFAULT_DOMAIN) -> User:
        """The user of that name; raises `NotFound`."""
        user = await self.deps.store.user_called(domain, name)
        if user is None:
            raise NotFound(f"no such user: {name}")
        return user

    async def find_project(self, name: str, domain: str = DEFAULT_DOMAIN) -> Project:
        """The project of that name; raises `NotFound`."""
        project = await self.deps.store.project_called(domain, name)
        if project is None:
            raise NotFound(f"no such project: {name}")
        return project

    async def set_password(self, user: User, password: str) -> None:
        """Give the user another password; the tokens he got himself end."""
        kept = await self._hashed(password)
        assert kept is not None
        await self.deps.store.change_password(user.id, kept)
        await self._done("user:updatePassword", f"user:{user.id}", user.name)

    async def enable_user(self, user: User, *, enabled: bool) -> None:
        """Let the user in, or keep him out: then all his tokens end, and his keys open nothing."""
        await self.deps.store.enable_user(user.id, enabled=enabled)
        await self._done("user:enable" if enabled else "user:disable", f"user:{user.id}", user.name)

    async def delete_user(self, user: User) -> None:
        """Delete the user with his tokens, access keys and grants; what he ran stays on record."""
        await self.deps.store.drop_user(user.id)
        await self._done("user:delete", f"user:{user.id}", user.name)

    async def grant(self, user: User, project: Project, policy: str) -> bool:
        """Grant a built-in role or a policy of the project's own; False when he has it already."""
        if user.domain != project.domain:
            raise BadRequest(f"{user.name} is of another domain than {project.name}")
        await self._check_policy(project, policy)
        done = await self.deps.store.add_grant(Grant(user_id=user.id, project_id=project.id, policy=policy))
        await self._done("user:grant", f"user:{user.id}", f"{user.name}: {policy}", project.id)
        return done

    async def revoke(self, user: User, project: Project, policy: str) -> bool:
        """Take a role or a policy back; False when he has it not."""
        done = await self.deps.store.drop_grant(Grant(user_id=user.id, project_id=project.id, policy=policy))
        await self._done("user:revoke", f"user:{user.id}", f"{user.name}: {policy}", project.id)
        return done

    async def put_policy(self, project: Project, policy: Policy) -> None:
        """Keep a policy of the project's own in the place of the one of that name."""
        _check_name(policy.name, "name")
        if policy.name in BUILT_IN:
            raise BadRequest(f"{policy.name} is a built-in role")
        await self.deps.store.put_policy(project.id, policy)
        await self._done("policy:put", f"policy:{policy.name}", "", project.id)

    async def delete_policy(self, project: Project, name: str) -> None:
        """Delete a policy of the project's own; nobody has it any more. Raises `NotFound`."""
        if not await self.deps.store.drop_policy(project.id, name):
            raise NotFound(f"no such policy: {name}")
        await self._done("policy:delete", f"policy:{name}", "", project.id)

    async def create_credential(self, user: User, project: Project, lifetime: float | None = None) -> NewCredential:
        """A new access key for the user, whose requests are for the project unless they say otherwise.

        With a ``lifetime`` in seconds it is a temporary one, with a security token. The user must have been
        granted something in the project. Raises `BadRequest`.
        """
        if not any(one.project_id == project.id for one in await self.deps.store.grants_of(user.id)):
            raise BadRequest(f"{user.name} has no role in {project.name}: grant one with `{_grant(user, project)}`")
        access = _random(string.ascii_uppercase + string.digits, ACCESS_CHARS)
        secret = _random(string.ascii_letters + string.digits, SECRET_CHARS)
        token = self.deps.new_secret() if lifetime is not None else None
        now = self.deps.clock.now()
        made = Credential(
            access=access,
            user_id=user.id,
            project_id=project.id,
            sealed=(await self.sealer()).seal(secret, access),
            created_at=now,
            expires_at=now + timedelta(seconds=lifetime) if lifetime is not None else None,
            token_digest=digest_of(token) if token is not None else None,
        )
        if not await self.deps.store.add_credential(made):
            raise BadRequest("that access key is taken")
        await self._done("credential:create", f"credential:{access}", user.name, project.id)
        return NewCredential(access=access, secret=secret, securitytoken=token, expires_at=made.expires_at)

    async def credentials(self, user: User | None = None) -> Sequence[Credential]:
        """The access keys of the user, or without one of all users, oldest first."""
        return await self.deps.store.credentials(user.id if user is not None else None)

    async def delete_credential(self, access: str) -> None:
        """Delete an access key; raises `NotFound`."""
        if not await self.deps.store.drop_credential(access):
            raise NotFound("no such access key")
        await self._done("credential:delete", f"credential:{access}")

    async def create_token(
        self, project: str, user: str, role: str, lifetime: float | None = None
    ) -> tuple[str, Principal]:
        """A token of an operator's for the user of a project (`Identity.create_token`)."""
        token, principal = await super().create_token(project, user, role, lifetime)
        detail = f"{user}: {role}, token {token_id(token)}"
        await self._done("token:create", f"user:{principal.user_id}", detail, principal.project_id)
        return token, principal

    async def tokens(self) -> Sequence[TokenHolder]:
        """List all tokens, oldest first, both created by operators and issued for passwords."""
        return await self.deps.store.tokens()

    async def revoke_tokens(self, ids: Sequence[str], token: str | None = None) -> Sequence[TokenHolder]:
        """Revoke the tokens with these ids and the given token itself; raises `NotFound` without revoking any."""
        known = {one.token.id: one for one in await self.tokens()}
        wanted = dict.fromkeys([*ids, *([token_id(token)] if token is not None else [])])
        for one in wanted:
            if one not in known:
                raise NotFound(f"no such token: {one}")
        revoked = [known[one] for one in wanted]
        for held in revoked:
            await self.deps.store.drop_token(held.token.digest)
            who, role = held.principal, held.token.role or "as granted"
            await self._done("token:revoke", f"token:{held.token.id}", f"{who.user_name}: {role}", who.project_id)
        return revoked

    async def _done(self, action: str, resource: str, detail: str = "", project_id: str = "") -> None:
        """Audit the change, and drop cached rights here and in other processes."""
        self.forget()
        self.deps.signals.wake(Wake(directory=True))
        by = Principal(project_id=project_id, project_name="", user_id="", user_name=OPERATOR, policies=())
        audit = self.deps.audit
        await audit.record(audit.event(by, f"iam:{action}", resource=resource, detail=detail))

    async def _newcomer(self, domain: str, name: str, place: Project, password: str | None) -> User:
        """The user of that name, unless he has something in the project already, or another password."""
        user = await self.find_user(name, domain)
        if any(grant.project_id == place.id for grant in await self.deps.store.grants_of(user.id)):
            raise BadRequest(f"there is a user {name} already")
        if (
            user.password is not None
            and password is not None
            and not await self.deps.pools.passwords.run(passwords.fits, password, user.password)
        ):
            raise BadRequest(f"there is a user {name} already, with another password")
        return user

    async def _hashed(self, password: str | None) -> str | None:
        if password is None:
            return None
        passwords.check(password)
        return await self.deps.pools.passwords.run(passwords.hashed, password)

    async def _check_policy(self, project: Project, policy: str) -> None:
        if policy in BUILT_IN or policy in {one.name for one in await self.deps.store.policies(project.id)}:
            return
        raise BadRequest(f"no such role or policy in {project.name}: {policy}")


def _grant(user: User, project: Project) -> str:
    """The command that grants a role; the one named is enough to run statements."""
    domain = [] if user.domain.name == DEFAULT_DOMAIN else ["--domain", user.domain.name]
    whose = ["--project", project.name, "--name", user.name, *domain]
    return shlex.join(["treadle", "user", "grant", *whose, "--role", "developer"])


def _random(alphabet: str, length: int) -> str:
    return "".join(secrets.choice(alphabet) for _ in range(length))


def _check_name(name: str, field: str) -> None:
    if not 1 <= len(name) <= MAX_NAME or not name.isprintable():
        raise BadRequest(f"must be 1-{MAX_NAME} printable characters", field=field)
