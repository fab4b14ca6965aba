"""Access keys and signatures: who is known, what is locked, replayed, sealed."""

import stat
from datetime import timedelta
from pathlib import Path

import pytest

from tests.identity.people import NOON, Clock, key_of, process, signed
from treadle.model.access import BUILT_IN, Effect, Policy, Rule
from treadle.model.errors import (
    ConfigError,
    CredentialRefused,
    Forbidden,
    NotFound,
)
from treadle.service import lockouts, replays
from treadle.service.accounts import Accounts
from treadle.service.lockouts import Lockouts
from treadle.service.replays import Replays
from treadle.store.memory import MemoryStore
from treadle.store.sealing import Sealer, SealError

# -- access keys -------------------------------------------------------------------------------


async def test_an_access_key_has_the_form_of_the_cloud(service: Accounts, store: MemoryStore) -> None:
    """Twenty capitals and digits, forty letters and digits; the store has the secret only sealed."""
    key = await key_of(service)
    assert len(key.access) == 20
    assert key.access.isalnum()
    assert key.access == key.access.upper()
    assert len(key.secret) == 40
    assert key.secret.isalnum()
    assert (key.securitytoken, key.expires_at) == (None, None)
    (kept,) = await service.credentials(await service.find_user("ann"))
    assert key.secret.encode() not in kept.sealed
    assert (await service.sealer()).open(kept.sealed, key.access) == key.secret


async def test_a_signature_stands_for_the_keys_user(service: Accounts, clock: Clock) -> None:
    """In the key's project or in another of his; in one where he has been granted nothing he is forbidden."""
    key = await key_of(service, role="developer")
    user = await service.find_user("ann")
    second, third = await service.ensure_project("two"), await service.ensure_project("three")
    await service.put_policy(second, Policy(name="mine", rules=(Rule(effect=Effect.DENY, actions=("*",)),)))
    await service.grant(user, second, "mine")
    own = await service.authenticate_signature(signed(key, clock))
    assert (own.user_name, own.project_name, own.policies) == ("ann", "proj", (BUILT_IN["developer"],))
    other = await service.authenticate_signature(signed(key, clock, project_id=second.id))
    assert (other.project_name, [one.name for one in other.policies]) == ("two", ["mine"])
    for project_id in (third.id, "nowhere"):
        with pytest.raises(Forbidden):
            await service.authenticate_signature(signed(key, clock, project_id=project_id))


async def test_a_wrong_signature_and_an_unknown_key_are_told_alike(service: Accounts, clock: Clock) -> None:
    """And so are a security token that nobody asked for, and none where there must be one."""
    key = await key_of(service)
    user, project = await service.find_user("ann"), await service.find_project("proj")
    temporary = await service.create_credential(user, project, 60.0)
    for wrong in (
        signed(key, clock, signature="0" * 64),
        signed(key, clock, access="NOBODY00000000000000"),
        signed(key, clock, strings=()),
        signed(key, clock, security_token="something"),
        signed(temporary, clock, security_token=None),
        signed(temporary, clock, security_token="something"),
    ):
        with pytest.raises(CredentialRefused) as refused:
            await service.authenticate_signature(wrong)
        assert str(refused.value) == "verify aksk signature fail"


async def test_a_temporary_key_ends(service: Accounts, clock: Clock) -> None:
    """With its security token it is a key, and then it is over."""
    key = await key_of(service, 60.0)
    assert (await service.authenticate_signature(signed(key, clock))).user_name == "ann"
    clock.seconds = 60.0
    with pytest.raises(CredentialRefused, match=r"token expires, expires_at: 2026-07-13T12:01:00.000000Z"):
        await service.authenticate_signature(signed(key, clock))


@pytest.mark.parametrize(("off", "fine"), [(-900, True), (900, True), (-901, False), (901, False)])
async def test_a_date_may_be_off_by_a_quarter_of_an_hour(service: Accounts, clock: Clock, off: int, fine: bool) -> None:
    """In either direction; beyond, the signature is not even looked at."""
    key = await key_of(service)
    request = signed(key, clock, at=clock.now() + timedelta(seconds=off))
    if fine:
        assert (await service.authenticate_signature(request)).user_name == "ann"
        return
    for _ in range(6):
        with pytest.raises(CredentialRefused, match=r"verify aksk signature fail: X-Sdk-Date"):
            await service.authenticate_signature(request)
    assert (await service.authenticate_signature(signed(key, clock))).user_name == "ann"


async def test_five_bad_signatures_in_a_row_lock_a_key(service: Accounts, clock: Clock) -> None:
    """For five minutes, also for right ones, also a key that nobody has; a right one before starts the count again."""
    key = await key_of(service)
    bad = signed(key, clock, signature="0" * 64)
    unknown = signed(key, clock, access="NOBODY00000000000000")
    for _ in range(3):
        for _ in range(4):
            with pytest.raises(CredentialRefused, match=r"fail$"):
                await service.authenticate_signature(bad)
        await service.authenticate_signature(signed(key, clock))
    for request in (bad, unknown):
        for _ in range(5):
            with pytest.raises(CredentialRefused, match=r"fail$"):
                await service.authenticate_signature(request)
    for request in (bad, signed(key, clock), unknown):
        with pytest.raises(CredentialRefused, match=r"^AK access failed to reach the limit,forbidden$"):
            await service.authenticate_signature(request)
        with pytest.raises(CredentialRefused, match=r"limit"):
            service.check_claim(request.access, request.at)
    clock.seconds = 299.0
    with pytest.raises(CredentialRefused, match=r"limit"):
        await service.authenticate_signature(signed(key, clock))
    clock.seconds = 300.0
    await service.authenticate_signature(signed(key, clock))


async def test_a_key_that_is_withdrawn_opens_nothing(service: Accounts, beside: Accounts, clock: Clock) -> None:
    """At once where it was withdrawn, within a second elsewhere; so does what its user may no longer do."""
    key = await key_of(service)
    user, project = await service.find_user("ann"), await service.find_project("proj")
    await service.authenticate_signature(signed(key, clock))
    await beside.revoke(user, project, "operator")
    await service.authenticate_signature(signed(key, clock))
    clock.seconds = 1.0
    with pytest.raises(Forbidden):
        await service.authenticate_signature(signed(key, clock))
    await service.grant(user, project, "viewer")
    assert (await service.authenticate_signature(signed(key, clock))).policies == (BUILT_IN["viewer"],)
    await service.delete_credential(key.access)
    with pytest.raises(CredentialRefused):
        await service.authenticate_signature(signed(key, clock))
    with pytest.raises(NotFound):
        await service.delete_credential(key.access)


async def test_a_secret_that_cannot_be_opened_is_told(
    service: Accounts, store: MemoryStore, clock: Clock, tmp_path: Path
) -> None:
    """After a restore without its key file, for one."""
    key = await key_of(service)
    stranger = process(store, clock, tmp_path / "elsewhere")
    with pytest.raises(CredentialRefused, match=r"^Get secretKey failed$"):
        await stranger.authenticate_signature(signed(key, clock))


# -- replays -----------------------------------------------------------------------------------


async def test_a_request_that_does_something_is_made_once(service: Accounts, clock: Clock) -> None:
    """Again only by whoever made it first: over his connection, within the second. What may be repeated may."""
    key = await key_of(service)

    async def ask(connection: object, text: bytes = b"execute", **more: object) -> bool:
        request = signed(key, clock, text, at=NOON, connection=connection, **({"repeatable": False} | more))
        try:
            await service.authenticate_signature(request)
        except CredentialRefused as refused:
            return "has been made already" not in str(refused)
        return True

    assert await ask(("10.0.0.1", 1))
    assert await ask(("10.0.0.1", 1))
    assert not await ask(("10.0.0.1", 2))
    assert not await ask(None)
    assert await ask(("10.0.0.1", 2), b"another")
    assert await ask(("10.0.0.1", 3), repeatable=True)
    clock.seconds = 2.0
    assert not await ask(("10.0.0.1", 1))
    clock.seconds = 900.0
    assert not await ask(("10.0.0.1", 1))


def test_the_memory_of_replays_is_bounded(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest dates are forgotten, and refused from then on; other keys do not suffer."""
    monkeypatch.setattr(replays, "KEPT_MOST", 3)
    seen = Replays(900.0, clock)
    dates = [NOON + timedelta(seconds=n) for n in range(5)]
    assert all(seen.first("A", date, f"{n}", n) for n, date in enumerate(dates))
    assert not seen.first("A", dates[0], "0", 0)
    assert not seen.first("A", dates[1], "new", 9)
    assert seen.first("A", dates[2], "new", 9)
    assert seen.first("B", dates[0], "new", 9)


def test_the_memory_of_failures_is_bounded(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those who failed longest ago are forgotten; names that do not exist push none away that does."""
    monkeypatch.setattr(lockouts, "KEPT_MOST", 2)
    locks = Lockouts(1, 300.0, clock)
    assert locks.failed("real", known=True)
    assert [locks.failed(f"guess-{n}", known=False) for n in range(3)] == [True, True, True]
    assert [locks.locked(name) for name in ("real", "guess-0", "guess-1", "guess-2")] == [True, False, True, True]
    clock.seconds = 300.0
    assert not locks.locked("real")


# -- sealing -----------------------------------------------------------------------------------


def test_a_secret_is_sealed_under_the_key_file(tmp_path: Path) -> None:
    """Made once, for its owner alone; a seal opens under its own name and key only."""
    path = tmp_path / "credential.key"
    sealed = Sealer.at(path).seal("secret", "A")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [one.name for one in tmp_path.iterdir()] == ["credential.key"]
    assert Sealer.at(path).open(sealed, "A") == "secret"
    assert Sealer.at(path).seal("secret", "A") != sealed
    broken = bytes([sealed[0] ^ 1]) + sealed[1:]
    for sealer, kept, name in (
        (Sealer.at(path), sealed, "B"),
        (Sealer.at(path), broken, "A"),
        (Sealer.at(path), b"", "A"),
        (Sealer.at(tmp_path / "other.key"), sealed, "A"),
    ):
        with pytest.raises(SealError):
            sealer.open(kept, name)


def test_a_key_file_that_others_read_or_that_is_none_is_refused(tmp_path: Path) -> None:
    """Before anything is sealed under it."""
    path = tmp_path / "credential.key"
    Sealer.at(path)
    path.chmod(0o640)
    with pytest.raises(ConfigError, match=r"can be read by others"):
        Sealer.at(path)
    path.chmod(0o600)
    path.write_text("no key")
    with pytest.raises(ConfigError, match=r"64 hexadecimal digits"):
        Sealer.at(path)
