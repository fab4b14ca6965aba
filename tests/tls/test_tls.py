"""TLS by certificate files, and that nobody serves in the open by accident."""

import asyncio
import ssl
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import trustme
import uvloop
from starlette.types import ASGIApp
from uvicorn import Server

from tests.api.test_delivery import ASKED, happens, served, settled
from tests.api.test_http import CANCEL, Wire, request
from tests.api.twin import Twin
from tests.support.tokens import make_token
from treadle.api.http import Certificate, server_config
from treadle.config import Settings
from treadle.demo.local import TREADLE, LocalService
from treadle.listening import certificate
from treadle.model.errors import ConfigError


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    """Who signs."""
    return trustme.CA()


@pytest.fixture
def files(authority: trustme.CA, tmp_path: Path) -> Certificate:
    """A certificate for this machine, and its key."""
    made = authority.issue_cert("127.0.0.1", "localhost")
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    cert.write_bytes(b"".join(blob.bytes() for blob in made.cert_chain_pems))
    made.private_key_pem.write_to_path(str(key))
    return Certificate(cert, key)


@pytest.fixture
def trusting(authority: trustme.CA) -> ssl.SSLContext:
    """A caller that trusts the authority, and nobody else."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


@pytest.fixture
async def port(app: ASGIApp, files: Certificate) -> AsyncIterator[int]:
    """A server that speaks TLS."""
    config = server_config(app, tls=files.context())
    config.load()
    server = Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    yield server.servers[0].sockets[0].getsockname()[1]
    await server.shutdown()


async def dial(port: int, context: ssl.SSLContext) -> Wire:
    """A connection."""
    return Wire(*await asyncio.open_connection("127.0.0.1", port, ssl=context))


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_requests_are_served_over_tls(
    port: int, trusting: ssl.SSLContext, twin: Twin, version: ssl.TLSVersion
) -> None:
    """As without: several on a connection, bodies, refusals of what cannot be parsed."""
    trusting.minimum_version = trusting.maximum_version = version
    wire = await dial(port, trusting)
    await wire.send(request("GET", "/healthz") + request("POST", CANCEL, b"{}"))
    assert [(await wire.reply())[0] for _ in range(2)] == [200, 200]
    await wire.send(b"nonsense\r\n\r\n")
    assert (await wire.reply())[0] == 400
    wire.writer.close()
    assert [verb for verb, _ in twin.asked] == ["cancel"]


def test_answers_over_tls_are_delivered_or_not(
    files: Certificate, trusting: ssl.SSLContext, twin: Twin, settings: Settings
) -> None:
    """The connection below is looked at: one caller reads the answer and leaves, one leaves before."""

    async def use(port: int) -> None:
        wire = await dial(port, trusting)
        await wire.send(ASKED)
        assert (await wire.reply())[0] == 200
        wire.writer.close()
        assert await settled(twin, 1) == [True]
        twin.gate = asyncio.Event()
        hasty = await dial(port, trusting)
        await hasty.send(ASKED)
        await happens(lambda: len(twin.asked) == 2)
        hasty.writer.transport.abort()
        twin.gate.set()
        assert await settled(twin, 2) == [True, False]

    uvloop.run(served(twin, settings, use, tls=files.context()))


async def test_older_tls_is_refused(port: int, trusting: ssl.SSLContext) -> None:
    """What is broken is not spoken."""
    trusting.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        trusting.minimum_version = ssl.TLSVersion.TLSv1
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        trusting.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await dial(port, trusting)


async def test_plain_http_on_a_tls_door_is_refused(port: int) -> None:
    """Nothing is answered in the open, and the next caller is served."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request("GET", "/healthz"))
    assert b"200" not in await asyncio.wait_for(reader.read(), 10)
    writer.close()


@pytest.mark.parametrize(
    ("host", "allow", "refused"),
    [
        ("127.0.0.1", False, False),
        ("127.0.0.9", False, False),
        ("localhost", False, False),
        ("::1", False, False),
        ("0.0.0.0", False, True),
        ("::", False, True),
        ("", False, True),
        ("192.0.2.1", False, True),
        ("0.0.0.0", True, False),
    ],
)
def test_without_tls_the_door_is_for_this_machine_only(host: str, allow: bool, refused: bool, tmp_path: Path) -> None:
    """Unless the operator insists."""
    settings = Settings(data_dir=tmp_path, host=host, allow_plain_http=allow)
    if refused:
        with pytest.raises(ConfigError, match="allow_plain_http"):
            certificate(settings)
    else:
        assert certificate(settings) is None


def test_a_certificate_opens_the_door_to_others(files: Certificate, tmp_path: Path) -> None:
    """With TLS any address may be listened on."""
    context = certificate(Settings(data_dir=tmp_path, host="0.0.0.0", tls_cert=files.cert, tls_key=files.key))
    assert context is not None
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2


def test_what_is_wrong_with_a_certificate_is_said(files: Certificate, tmp_path: Path) -> None:
    """One without the other, a file there is not, one that is none, a key of another certificate."""
    with pytest.raises(ConfigError, match=r"^tls_key: "):
        certificate(Settings(data_dir=tmp_path, tls_cert=files.cert))
    with pytest.raises(ConfigError, match=r"^tls_cert: "):
        certificate(Settings(data_dir=tmp_path, tls_key=files.key))
    with pytest.raises(ConfigError, match=r"^tls_cert, tls_key: .*nothing\.pem"):
        certificate(Settings(data_dir=tmp_path, tls_cert=tmp_path / "nothing.pem", tls_key=files.key))
    (tmp_path / "text.pem").write_text("no certificate")
    with pytest.raises(ConfigError, match=r"text\.pem"):
        certificate(Settings(data_dir=tmp_path, tls_cert=tmp_path / "text.pem", tls_key=files.key))
    other = trustme.CA().issue_cert("localhost")
    other.private_key_pem.write_to_path(str(tmp_path / "other.pem"))
    with pytest.raises(ConfigError, match=r"other\.pem"):
        certificate(Settings(data_dir=tmp_path, tls_cert=files.cert, tls_key=tmp_path / "other.pem"))


@pytest.mark.slow
def test_the_service_speaks_tls(files: Certificate, trusting: ssl.SSLContext, tmp_path: Path) -> None:
    """The whole of it: the ready line says https, a workspace is made, and a stranger is not fooled."""
    settings = {"TREADLE_TLS_CERT": str(files.cert), "TREADLE_TLS_KEY": str(files.key)}
    with LocalService(tmp_path / "data", settings) as service:
        assert service.url.startswith("https://127.0.0.1:")
        headers = {"X-Auth-Token": make_token(tmp_path / "data", "demo", "demo")}
        with httpx.Client(base_url=service.url, verify=trusting, headers=headers) as http:
            assert http.post("/v1/workspaces", json={"name": "sealed"}).status_code == 200
        with httpx.Client(base_url=service.url) as stranger, pytest.raises(httpx.ConnectError):
            stranger.get("/healthz")


def test_the_service_does_not_start_in_the_open(tmp_path: Path) -> None:
    """One line says what to do about it, and nothing has been made."""
    command = [*TREADLE, "serve", "--host", "0.0.0.0", "--port", "0", "--data-dir", str(tmp_path / "data")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    assert done.stdout == ""
    assert "allow_plain_http" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "data").exists()
