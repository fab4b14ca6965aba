"""The official clients, let in by a signature or by a token, and signed calls for what no client has."""

import json
from collections.abc import Mapping
from typing import Any, Final

import httpx
from huaweicloudsdkaidatalake.v2 import AIDataLakeClient
from huaweicloudsdkcore.auth.credentials import BasicCredentials
from huaweicloudsdkcore.http.http_config import HttpConfig
from huaweicloudsdkcore.sdk_request import SdkRequest
from huaweicloudsdkdataartsfabric.v1 import DataArtsFabricClient

from tests.cli.running import Cli
from treadle.demo.local import LocalService

PROJECT: Final = "cn-north-4"
PASSWORD: Final = "Correct-horse-7"


def command(service: LocalService, *words: str, typed: str = "") -> dict[str, Any]:
    """What a command beside the service prints."""
    done = Cli(service.data_dir).run(*words, "--json", stdin=typed)
    assert done.exit_code == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def made_user(service: LocalService, name: str, role: str) -> BasicCredentials:
    """A new user with a password, and the pair of keys to sign with."""
    whose = ("--project", PROJECT, "--name", name, "--role", role)
    command(service, "user", "create", *whose, "--password-stdin", typed=f"{PASSWORD}\n")
    pair = command(service, "credential", "create", "--project", PROJECT, "--user", name)
    return BasicCredentials(pair["access"], pair["secret"])


def token_of(service: LocalService, name: str) -> str:
    """A token for the user, as the identity service gives it for a password."""
    user = {"name": name, "password": PASSWORD, "domain": {"name": "default"}}
    body = {
        "auth": {
            "identity": {"methods": ["password"], "password": {"user": user}},
            "scope": {"project": {"name": PROJECT}},
        }
    }
    answer = httpx.post(f"{service.url}/v3/auth/tokens", json=body)
    assert answer.status_code == 201, answer.text
    return answer.headers["X-Subject-Token"]


def by_token(token: str) -> BasicCredentials:
    """Credentials that put a token where the signature would be; the clients take no class but their own."""
    credentials = BasicCredentials("unused", "unused")
    sign = credentials.sign_request

    def let_in(request: SdkRequest) -> SdkRequest:
        # Signing completes the request; then the signature goes.
        made = sign(request)
        del made.header_params["Authorization"]
        made.header_params["X-Auth-Token"] = token
        return made

    credentials.sign_request = let_in
    return credentials


class Door:
    """One way in: the two official clients, and calls of one's own."""

    def __init__(self, service: LocalService, credentials: BasicCredentials, *, read_timeout: int = 60) -> None:
        self.service = service
        self.credentials = credentials
        config = HttpConfig.get_default_config()
        config.timeout = (5, read_timeout)
        self.aura: Any = self._client(AIDataLakeClient, config)
        self.fabric: Any = self._client(DataArtsFabricClient, config)

    def _client(self, kind: Any, config: HttpConfig) -> Any:
        builder = kind.new_builder().with_http_config(config).with_credentials(self.credentials)
        return builder.with_endpoint(self.service.url).build()

    def call(
        self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None, **query: str | int
    ) -> httpx.Response:
        """A call of version 1, signed as the clients sign theirs."""
        content = "" if body is None else json.dumps(body)
        host = self.service.url.removeprefix("http://")
        pairs = sorted((name, str(value)) for name, value in query.items())
        request = SdkRequest(
            method=method,
            schema="http",
            host=host,
            resource_path=path,
            query_params=pairs,
            header_params={"Content-Type": "application/json", **(headers or {})},
            body=content,
        )
        signed = self.credentials.sign_request(request)
        return httpx.request(
            method,
            f"{self.service.url}{path}",
            params=dict(pairs),
            headers=signed.header_params,
            content=content.encode(),
            timeout=60.0,
        )
