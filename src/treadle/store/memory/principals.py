"""Domains, projects and users with their grants, tokens and access keys."""

from collections.abc import Mapping, Sequence
from typing import TypeVar

from msgspec.structs import replace

from treadle.model.access import BUILT_IN, Policy
from treadle.model.entities import Principal
from treadle.model.identity import (
    DEFAULT_DOMAIN,
    Credential,
    Domain,
    Grant,
    KeyHolder,
    Project,
    Token,
    TokenHolder,
    User,
    policies_of,
)
from treadle.store.memory.tables import Tables

K = TypeVar("K")
T = TypeVar("T", Token, Credential)


class Principals(Tables):
    """Domains, projects, users and their grants; tokens and access keys."""

    # -- projects and users -----------------------------------------------------------------
    async def ensure_project(self, domain: str, project: str, new_domain_id: str, new_project_id: str) -> Project:
        owner = self._domains.setdefault(domain, Domain(id=new_domain_id, name=domain))
        known = await self.project_called(domain, project)
        return known or self._projects.setdefault(
            new_project_id, Project(id=new_project_id, name=project, domain=owner)
        )

    async def ensure_user(self, project: str, user: str, new_project_id: str, new_user_id: str) -> Principal:
        place = await self.ensure_project(DEFAULT_DOMAIN, project, DEFAULT_DOMAIN, new_project_id)
        known = await self.user_called(DEFAULT_DOMAIN, user)
        person = known or User(id=new_user_id, name=user, domain=place.domain, project_id=place.id)
        self._users.setdefault(person.id, person)
        return _principal(person, place, (BUILT_IN["operator"],))

    async def projects(self) -> Sequence[Project]:
        return sorted(self._projects.values(), key=lambda one: (one.domain.name, one.name))

    async def project_called(self, domain: str, project: str) -> Project | None:
        found = (one for one in self._projects.values() if (one.domain.name, one.name) == (domain, project))
        return next(found, None)

    async def projects_of(self, user_id: str) -> Sequence[Project]:
        granted = {grant.project_id for grant in self._grants if grant.user_id == user_id}
        return sorted((self._projects[one] for one in granted), key=lambda one: one.name)

    async def add_user(self, user: User) -> bool:
        if user.id in self._users or await self.user_called(user.domain.name, user.name):
            return False
        self._users[user.id] = user
        return True

    async def users(self) -> Sequence[User]:
        return sorted(self._users.values(), key=lambda one: (one.domain.name, one.name))

    async def user(self, user_id: str) -> User | None:
        return self._users.get(user_id)

    async def user_called(self, domain: str, user: str) -> User | None:
        return next(
            (one for one in self._users.values() if one.name == user and domain in (one.domain.name, one.domain.id)),
            None,
        )

    async def change_password(self, user_id: str, password: str) -> bool:
        return self._changed(user_id, password=password) and self._end_tokens(user_id, own=True)

    async def enable_user(self, user_id: str, *, enabled: bool) -> bool:
        return self._changed(user_id, enabled=enabled) and (enabled or self._end_tokens(user_id))

    async def drop_user(self, user_id: str) -> bool:
        if self._users.pop(user_id, None) is None:
            return False
        self._credentials = {key: one for key, one in self._credentials.items() if one.user_id != user_id}
        self._grants = {grant for grant in self._grants if grant.user_id != user_id}
        return self._end_tokens(user_id)

    # -- what they may do -------------------------------------------------------------------
    async def add_grant(self, grant: Grant) -> bool:
        if grant in self._grants:
            return False
        self._grants.add(grant)
        return self._end_tokens(grant.user_id, grant.project_id, own=True)

    async def drop_grant(self, grant: Grant) -> bool:
        if grant not in self._grants:
            return False
        self._grants.remove(grant)
        return self._end_tokens(grant.user_id, grant.project_id, own=True)

    async def grants_of(self, user_id: str) -> Sequence[Grant]:
        found = [grant for grant in self._grants if grant.user_id == user_id]
        return sorted(found, key=lambda one: (one.project_id, one.policy))

    async def put_policy(self, project_id: str, policy: Policy) -> None:
        self._policies[project_id, policy.name] = policy
        self._end_tokens_granted(project_id, policy.name)

    async def policies(self, project_id: str) -> Sequence[Policy]:
        found = [policy for (owner, _), policy in self._policies.items() if owner == project_id]
        return sorted(found, key=lambda one: one.name)

    async def drop_policy(self, project_id: str, name: str) -> bool:
        if self._policies.pop((project_id, name), None) is None:
            return False
        self._end_tokens_granted(project_id, name)
        self._grants = {one for one in self._grants if (one.project_id, one.policy) != (project_id, name)}
        return True

    # -- what they prove themselves with ----------------------------------------------------
    async def add_token(self, token: Token, password: str | None = None) -> bool:
        user = self._users.get(token.user_id)
        if password is not None and (user is None or not user.enabled or user.password != password):
            return False
        self._tokens = {**_without_expired(self._tokens, token), token.digest: token}
        return True

    async def token_holder(self, digest: bytes) -> TokenHolder | None:
        token = self._tokens.get(digest)
        user = self._users.get(token.user_id) if token else None
        return self._held(token, user) if token is not None and user is not None and user.enabled else None

    async def tokens(self) -> Sequence[TokenHolder]:
        users = ((one, self._users.get(one.user_id)) for one in self._tokens.values())
        found = [held for one, user in users if user is not None and (held := self._held(one, user)) is not None]
        return sorted(found, key=lambda one: (one.token.created_at, one.token.digest))

    def _held(self, token: Token, user: User) -> TokenHolder | None:
        place = self._projects.get(token.project_id) if token.project_id is not None else None
        if token.project_id is not None and (place is None or place.domain != user.domain):
            return None
        if token.role is not None:
            return TokenHolder(token, _principal(user, place, policies_of((token.role,), ())))
        return TokenHolder(token, _principal(user, place, self._granted(user, place)))

    async def drop_token(self, digest: bytes) -> bool:
        return self._tokens.pop(digest, None) is not None

    async def add_credential(self, credential: Credential) -> bool:
        if credential.access in self._credentials:
            return False
        self._credentials = {**_without_expired(self._credentials, credential), credential.access: credential}
        return True

    async def credentials(self, user_id: str | None = None) -> Sequence[Credential]:
        found = [one for one in self._credentials.values() if user_id in {None, one.user_id}]
        return sorted(found, key=lambda one: (one.created_at, one.access))

    async def drop_credential(self, access: str) -> bool:
        return self._credentials.pop(access, None) is not None

    async def key_holder(self, access: str, project_id: str | None) -> KeyHolder | None:
        credential = self._credentials.get(access)
        user = self._users.get(credential.user_id) if credential else None
        if credential is None or user is None or not user.enabled:
            return None
        place = self._projects.get(project_id if project_id is not None else credential.project_id)
        granted = self._granted(user, place)
        return KeyHolder(credential, _principal(user, place, granted) if place and granted else None)

    # -- within -----------------------------------------------------------------------------
    def _granted(self, user: User, place: Project | None) -> tuple[Policy, ...]:
        if place is None:
            return ()
        names = tuple(one.policy for one in self._grants if (one.user_id, one.project_id) == (user.id, place.id))
        return policies_of(names, tuple(own for (owner, _), own in self._policies.items() if owner == place.id))

    def _changed(self, user_id: str, **values: object) -> bool:
        user = self._users.get(user_id)
        if user is None:
            return False
        self._users[user_id] = replace(user, **values)
        return True

    def _end_tokens(self, user_id: str, project_id: str | None = None, *, own: bool = False) -> bool:
        """End the user's tokens (in the project), only those he got himself if ``own``; always True."""
        self._tokens = {
            digest: one
            for digest, one in self._tokens.items()
            if one.user_id != user_id
            or (project_id is not None and one.project_id != project_id)
            or (own and one.role is not None)
        }
        return True

    def _end_tokens_granted(self, project_id: str, policy: str) -> None:
        for grant in self._grants:
            if (grant.project_id, grant.policy) == (project_id, policy):
                self._end_tokens(grant.user_id, project_id, own=True)


def _without_expired(held: Mapping[K, T], new: T) -> dict[K, T]:
    """Leave out what has expired of the user who gets a new one."""
    return {
        key: one
        for key, one in held.items()
        if one.user_id != new.user_id or one.expires_at is None or one.expires_at > new.created_at
    }


def _principal(user: User, place: Project | None, policies: tuple[Policy, ...]) -> Principal:
    return Principal(
        project_id=place.id if place else "",
        project_name=place.name if place else "",
        user_id=user.id,
        user_name=user.name,
        domain_id=user.domain.id,
        domain_name=user.domain.name,
        policies=policies,
    )
