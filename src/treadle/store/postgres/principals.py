"""Who calls."""

from datetime import datetime

from treadle.model.entities import Principal, Role
from treadle.store.base import Token
from treadle.store.errors import StoreUnavailable
from treadle.store.postgres.pool import PoolBase
from treadle.store.postgres.rows import to_principal


class Principals(PoolBase):
    """Projects, users and tokens."""

    async def ensure_user(self, project: str, user: str, new_project_id: str, new_user_id: str) -> Principal:
        """The user of that name in the project of that name, made on first sight with the ids given."""
        row = await self._row("user_find", project, user)
        row = row or await self._row("user_add", project, user, new_project_id, new_user_id)
        if row is None:
            raise StoreUnavailable("the user was neither found nor made")
        return to_principal(row, Role.OPERATOR)

    async def add_token(self, token: Token) -> None:
        """Remember a token; a known digest takes the new values."""
        await self._rows(
            "token_add",
            token.digest,
            token.project_id,
            token.user_id,
            token.role,
            token.created_at,
            token.expires_at,
        )

    async def principal_of(self, digest: bytes, now: datetime) -> Principal | None:
        """Whom the token with this digest stands for, unless it has expired."""
        row = await self._row("token_principal", digest, now)
        return to_principal(row, Role(row["role"])) if row else None
