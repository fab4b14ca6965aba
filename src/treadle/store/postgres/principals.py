"""Who there is."""

from collections.abc import Sequence

from treadle.model.access import BUILT_IN, Policy
from treadle.model.entities import Principal
from treadle.model.identity import DEFAULT_DOMAIN, Credential, Grant, KeyHolder, Project, Token, TokenHolder, User
from treadle.store.errors import StoreUnavailable
from treadle.store.postgres.people import (
    decode_policy,
    encode_policy,
    to_credential,
    to_key_holder,
    to_member,
    to_principal,
    to_project,
    to_token_holder,
)
from treadle.store.postgres.pool import PoolBase


class Principals(PoolBase):
    """Domains, projects, users and their grants; tokens and access keys."""

    # -- projects and users -----------------------------------------------------------------
    async def ensure_project(self, domain: str, project: str, new_domain_id: str, new_project_id: str) -> Project:
        row = await self._row("project_ensure", domain, project, new_domain_id, new_project_id)
        if row is None:
            raise StoreUnavailable("the project was neither found nor made")
        return to_project(row)

    async def ensure_user(self, project: str, user: str, new_project_id: str, new_user_id: str) -> Principal:
        row = await self._row("user_find", project, user, DEFAULT_DOMAIN)
        row = row or await self._row("user_add", project, user, DEFAULT_DOMAIN, new_project_id, new_user_id)
        if row is None:
            raise StoreUnavailable("the user was neither found nor made")
        return to_principal(row, (BUILT_IN["operator"],))

    async def projects(self) -> Sequence[Project]:
        return [to_project(row) for row in await self._rows("projects_all")]

    async def project_called(self, domain: str, project: str) -> Project | None:
        row = await self._row("project_called", domain, project)
        return to_project(row) if row else None

    async def projects_of(self, user_id: str) -> Sequence[Project]:
        return [to_project(row) for row in await self._rows("projects_of", user_id)]

    async def add_user(self, user: User) -> bool:
        return await self._done(
            "member_add", user.id, user.name, user.domain.id, user.project_id, user.enabled, user.password
        )

    async def users(self) -> Sequence[User]:
        return [to_member(row) for row in await self._rows("members_all")]

    async def user(self, user_id: str) -> User | None:
        row = await self._row("member_get", user_id)
        return to_member(row) if row else None

    async def user_called(self, domain: str, user: str) -> User | None:
        row = await self._row("member_called", domain, user)
        return to_member(row) if row else None

    async def change_password(self, user_id: str, password: str) -> bool:
        return await self._done("member_password", user_id, password)

    async def enable_user(self, user_id: str, *, enabled: bool) -> bool:
        return await self._done("member_enable", user_id, enabled)

    async def drop_user(self, user_id: str) -> bool:
        return await self._done("member_drop", user_id)

    # -- what they may do -------------------------------------------------------------------
    async def add_grant(self, grant: Grant) -> bool:
        return await self._done("grant_add", grant.user_id, grant.project_id, grant.policy)

    async def drop_grant(self, grant: Grant) -> bool:
        return await self._done("grant_drop", grant.user_id, grant.project_id, grant.policy)

    async def grants_of(self, user_id: str) -> Sequence[Grant]:
        return [Grant(**dict(row)) for row in await self._rows("grants_of", user_id)]

    async def put_policy(self, project_id: str, policy: Policy) -> None:
        await self._rows("policy_put", project_id, policy.name, encode_policy(policy))

    async def policies(self, project_id: str) -> Sequence[Policy]:
        return [decode_policy(row["document"]) for row in await self._rows("policies_of", project_id)]

    async def drop_policy(self, project_id: str, name: str) -> bool:
        return await self._done("policy_drop", project_id, name)

    # -- what they prove themselves with ----------------------------------------------------
    async def add_token(self, token: Token, password: str | None = None) -> bool:
        return await self._done(
            "token_add",
            token.digest,
            token.user_id,
            token.created_at,
            token.expires_at,
            token.project_id,
            token.domain_id,
            token.role,
            list(token.methods),
            password,
        )

    async def token_holder(self, digest: bytes) -> TokenHolder | None:
        row = await self._row("token_holder", digest)
        return to_token_holder(row) if row else None

    async def tokens(self) -> Sequence[TokenHolder]:
        return [to_token_holder(row) for row in await self._rows("tokens_all")]

    async def drop_token(self, digest: bytes) -> bool:
        return await self._done("token_drop", digest)

    async def add_credential(self, credential: Credential) -> bool:
        return await self._done(
            "credential_add",
            credential.access,
            credential.user_id,
            credential.project_id,
            credential.sealed,
            credential.created_at,
            credential.expires_at,
            credential.token_digest,
        )

    async def credentials(self, user_id: str | None = None) -> Sequence[Credential]:
        return [to_credential(row) for row in await self._rows("credentials", user_id)]

    async def drop_credential(self, access: str) -> bool:
        return await self._done("credential_drop", access)

    async def key_holder(self, access: str, project_id: str | None) -> KeyHolder | None:
        row = await self._row("key_holder", access, project_id)
        return to_key_holder(row) if row else None
