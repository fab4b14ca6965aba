"""The part of the twin that finds out who calls: one user ``ada``, one password, one access key."""

from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import sha256

from treadle.model.entities import Principal
from treadle.model.errors import CredentialRefused, LoginRefused, NotFound
from treadle.model.identity import Domain, Project, Token, TokenHolder
from treadle.service.logins import WRONG as WRONG_PASSWORD
from treadle.service.logins import Login
from treadle.service.signatures import WRONG, Signed, matches

PASSWORD = "correct horse"
ACCESS, SECRET = "A" * 20, "s" * 40
ADA = Principal(project_id="p1", project_name="demo", user_id="u1", user_name="ada")
HOLDER = TokenHolder(
    Token(
        digest=b"d",
        user_id="u1",
        created_at=datetime(2026, 7, 13, 12, 0, 0, 125_000, UTC),
        expires_at=datetime(2026, 7, 14, 12, 0, 0, 125_000, UTC),
        project_id="p1",
    ),
    ADA,
)


class CallersTwin:
    """Who is calling, as far as tests of the HTTP room need it."""

    def __init__(self) -> None:
        self.logins: list[Login] = []
        self.signed: list[Signed] = []
        self.dropped: list[str | None] = []

    def knows(self, token: str | None) -> bool:
        return False

    def knows_key(self, access: str) -> bool:
        return False

    def check_claim(self, access: str, at: datetime) -> None:
        if at.year < 2000:
            raise CredentialRefused(WRONG)

    async def digest(self, body: bytes) -> bytes:
        return sha256(body).digest()

    async def authenticate_signature(self, signed: Signed) -> Principal:
        self.signed.append(signed)
        if signed.access != ACCESS or not matches(SECRET, signed):
            raise CredentialRefused(WRONG)
        return ADA

    async def log_in(self, login: Login) -> tuple[str, TokenHolder]:
        self.logins.append(login)
        if login.password != PASSWORD:
            raise LoginRefused(WRONG_PASSWORD)
        return "fresh-token", HOLDER

    async def show_token(self, p: Principal, token: str | None) -> TokenHolder:
        if token != "fresh-token":
            raise NotFound
        return HOLDER

    async def drop_token(self, p: Principal, token: str | None) -> None:
        await self.show_token(p, token)
        self.dropped.append(token)

    async def my_projects(self, p: Principal) -> Sequence[Project]:
        domain = Domain(id="default", name="default")
        return [Project(id="p1", name="demo", domain=domain), Project(id="p2", name="other", domain=domain)]
