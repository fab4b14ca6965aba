"""Who calls."""

from datetime import datetime

from treadle.model.entities import Principal
from treadle.store.base import Token
from treadle.store.memory.tables import Tables


class Principals(Tables):
    """Projects, users and tokens."""

    async def ensure_user(self, project: str, user: str, new_project_id: str, new_user_id: str) -> Principal:
        """The user of that name in the project of that name, made on first sight with the ids given."""
        project_id = self._projects.setdefault(project, new_project_id)
        user_id = self._users.setdefault((project_id, user), new_user_id)
        return Principal(project_id=project_id, project_name=project, user_id=user_id, user_name=user)

    async def add_token(self, token: Token) -> None:
        """Remember a token; a known digest takes the new values."""
        self._tokens[token.digest] = token

    async def principal_of(self, digest: bytes, now: datetime) -> Principal | None:
        """Whom the token with this digest stands for, unless it has expired."""
        token = self._tokens.get(digest)
        if token is None or (token.expires_at is not None and token.expires_at <= now):
            return None
        project = next((name for name, known in self._projects.items() if known == token.project_id), None)
        user = next((key for key, known in self._users.items() if known == token.user_id), None)
        if project is None or user is None or user[0] != token.project_id:
            return None
        return Principal(
            project_id=token.project_id,
            project_name=project,
            user_id=token.user_id,
            user_name=user[1],
            role=token.role,
        )
