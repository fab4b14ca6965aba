"""The part of the store's seam that remembers who there is (`treadle.store.base.Store` is the whole)."""

from collections.abc import Sequence
from typing import Protocol

from treadle.model.access import Policy
from treadle.model.entities import Principal
from treadle.model.identity import Credential, Grant, KeyHolder, Project, Token, TokenHolder, User


class Directory(Protocol):
    """Domains, projects, users, what they prove themselves with, and what they have been granted.

    Tokens that a user got himself (they have no role) end with what they rest on: with his password,
    and in a project with any change of what he may do there. Tokens of an operator's end with the user.
    """

    # -- projects and users -----------------------------------------------------------------
    async def ensure_project(self, domain: str, project: str, new_domain_id: str, new_project_id: str) -> Project:
        """The project of that name in the domain of that name, both made on first sight with the ids given."""

    async def ensure_user(self, project: str, user: str, new_project_id: str, new_user_id: str) -> Principal:
        """The user of that name in the default domain, for the project of that name there, with all an operator's
        rights; both are made on first sight with the ids given, and the project is a new user's default one.
        """

    async def projects(self) -> Sequence[Project]:
        """Every project, by domain and name."""

    async def project_called(self, domain: str, project: str) -> Project | None:
        """The project of that name in the domain of that name."""

    async def projects_of(self, user_id: str) -> Sequence[Project]:
        """The projects in which the user has been granted something, by name."""

    async def add_user(self, user: User) -> bool:
        """Add a user; False when the domain has one of that name."""

    async def users(self) -> Sequence[User]:
        """Every user, by domain and name."""

    async def user(self, user_id: str) -> User | None:
        """The user of that id."""

    async def user_called(self, domain: str, user: str) -> User | None:
        """The user of that name in the domain of that name, or of that id."""

    async def change_password(self, user_id: str, password: str) -> bool:
        """Keep the hash of a new password; the tokens he got himself end."""

    async def enable_user(self, user_id: str, *, enabled: bool) -> bool:
        """Let a user in, or keep him out: then all his tokens end, and his keys open nothing meanwhile."""

    async def drop_user(self, user_id: str) -> bool:
        """Forget a user with his tokens, credentials and grants."""

    # -- what they may do -------------------------------------------------------------------
    async def add_grant(self, grant: Grant) -> bool:
        """Grant; False when he has it already."""

    async def drop_grant(self, grant: Grant) -> bool:
        """Take it back; False when he has it not."""

    async def grants_of(self, user_id: str) -> Sequence[Grant]:
        """What a user has been granted, by project and policy."""

    async def put_policy(self, project_id: str, policy: Policy) -> None:
        """Keep a policy of a project's own in the place of the one of that name."""

    async def policies(self, project_id: str) -> Sequence[Policy]:
        """The policies of a project's own, by name."""

    async def drop_policy(self, project_id: str, name: str) -> bool:
        """Forget a policy of a project's own, and that it was granted to anybody."""

    # -- what they prove themselves with ----------------------------------------------------
    async def add_token(self, token: Token, password: str | None = None) -> bool:
        """Remember a token; a known digest takes the new values. The user's tokens that are over are forgotten.

        With the hash of the password it was got with: False when that is no longer the user's, or he is kept out.
        """

    async def token_holder(self, digest: bytes) -> TokenHolder | None:
        """The token with this digest, over or not, if its user is let in."""

    async def tokens(self) -> Sequence[TokenHolder]:
        """List all tokens, expired or not, oldest first; also those of disabled users."""

    async def drop_token(self, digest: bytes) -> bool:
        """Forget a token."""

    async def add_credential(self, credential: Credential) -> bool:
        """Add an access key; False when it is taken. The user's temporary ones that are over are forgotten."""

    async def credentials(self, user_id: str | None = None) -> Sequence[Credential]:
        """The access keys of a user, or without an id of all users, oldest first."""

    async def drop_credential(self, access: str) -> bool:
        """Forget an access key."""

    async def key_holder(self, access: str, project_id: str | None) -> KeyHolder | None:
        """The access key, over or not, if its user is let in; whom it stands for in the project (None: in its own)."""
