"""One service for the official clients, and every way in."""

from collections.abc import Iterator

import pytest
from huaweicloudsdkcore.auth.credentials import BasicCredentials

from tests.sdk.doors import Door, by_token, made_user, token_of
from treadle.demo.local import LocalService

SETTINGS = {"TREADLE_SYNC_WAIT": "5"}


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalService]:
    """A service that knows an operator and a viewer."""
    with LocalService(tmp_path_factory.mktemp("sdk") / "data", SETTINGS) as running:
        yield running


@pytest.fixture(scope="session")
def keys(service: LocalService) -> BasicCredentials:
    """The operator's keys."""
    return made_user(service, "ann", "operator")


@pytest.fixture(scope="session")
def signed(service: LocalService, keys: BasicCredentials) -> Door:
    """The way in by signature."""
    return Door(service, keys)


@pytest.fixture(scope="session")
def viewer(service: LocalService) -> Door:
    """Somebody who may only look."""
    return Door(service, made_user(service, "eve", "viewer"))


@pytest.fixture(params=["signature", "token"])
def door(request: pytest.FixtureRequest, service: LocalService, signed: Door) -> Door:
    """Each way in, in its turn; both are the same user."""
    if request.param == "signature":
        return signed
    return Door(service, by_token(token_of(service, "ann")))
