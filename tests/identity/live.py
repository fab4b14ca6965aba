"""A real service, the commands beside it, and requests that are sent as they were signed."""

import http.client
import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from tests.cli.running import Cli
from tests.support.signing import Key, Wire, sign
from treadle.demo.local import LocalService

PROJECT: Final = "people"


class Answer(msgspec.Struct, frozen=True):
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def refusal(self) -> str:
        """Why the gateway refused the signature."""
        assert (self.status, self.json["error_code"]) == (401, "APIG.0301"), self.body
        assert self.json["request_id"] == self.headers["x-request-id"]
        return str(self.json["error_msg"]).removeprefix("Incorrect IAM authentication information: ")


class Line:
    """One connection."""

    def __init__(self, url: str) -> None:
        self.host = urlsplit(url).netloc
        self._connection = http.client.HTTPConnection(self.host, timeout=60)

    def close(self) -> None:
        """Hang up."""
        self._connection.close()

    def send(self, wire: Wire) -> Answer:
        """Send a request byte for byte as it is."""
        self._connection.putrequest(
            wire.method, wire.target.decode("latin-1"), skip_host=True, skip_accept_encoding=True
        )
        for name, value in wire.headers:
            self._connection.putheader(name.decode(), value)
        self._connection.putheader("Content-Length", str(len(wire.body)))
        self._connection.endheaders(wire.body or None)
        response = self._connection.getresponse()
        headers = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, headers, response.read())

    def signed(self, key: Key, method: str, path: str, body: object = None, **more: Any) -> Answer:
        """Sign a request as the SDK does, and send it."""
        content = b"" if body is None else json.dumps(body).encode()
        return self.send(sign(key, method, self.host, path, body=content, **more))

    def with_token(self, token: str | None, method: str, path: str, body: object = None) -> Answer:
        """Send a request with a token, or with none."""
        content = b"" if body is None else json.dumps(body).encode()
        headers = ((b"host", self.host.encode()), *(((b"x-auth-token", token.encode()),) if token else ()))
        path_only, _, query = path.partition("?")
        return self.send(Wire(method, path_only.encode(), query.encode(), headers, content))

    def log_in(self, name: str, password: str, **scope: Any) -> Answer:
        """Ask for a token."""
        user = {"name": name, "password": password, "domain": {"name": "default"}}
        auth: dict[str, Any] = {"identity": {"methods": ["password"], "password": {"user": user}}}
        return self.with_token(
            None, "POST", "/v3/auth/tokens", {"auth": {**auth, **({"scope": scope} if scope else {})}}
        )


@contextmanager
def line(service: LocalService) -> Iterator[Line]:
    """A connection to a service, for a while."""
    with closing(Line(service.url)) as made:
        yield made


def treadle(service: LocalService, *args: str, stdin: str | None = None) -> Any:
    """What a command beside the service prints as JSON; None when it prints nothing."""
    done = Cli(service.data_dir).run(*args, "--json", stdin=stdin)
    assert done.exit_code == 0, done.stderr
    return json.loads(done.stdout) if done.stdout else None


def user(service: LocalService, name: str, password: str | None = None, role: str = "operator") -> dict[str, Any]:
    """A new user of `PROJECT`."""
    words = ("user", "create", "--project", PROJECT, "--name", name, "--role", role)
    made: dict[str, Any] = treadle(
        service, *words, *(("--password-stdin",) if password else ()), stdin=password and password + "\n"
    )
    return made


def key(service: LocalService, name: str, *more: str, project: str = PROJECT) -> Key:
    """A new access key of a user."""
    made = treadle(service, "credential", "create", "--project", project, "--user", name, *more)
    return Key(made["access"], made["secret"], made.get("securitytoken"))
