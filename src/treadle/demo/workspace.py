"""The demo workspace: made when missing, filled with TPC-H, and written down for those who call."""

import contextlib
import os
from pathlib import Path
from typing import Final

import msgspec

from treadle.demo.client import Api, ApiError
from treadle.demo.tables import Say, load_tpch

WORKSPACE: Final = "demo"
ENDPOINT: Final = "demo"


class Demo(msgspec.Struct, frozen=True, kw_only=True):
    """What a caller needs: where, as whom, and in which workspace and endpoint."""

    url: str
    token: str
    workspace_id: str
    endpoint_id: str


def prepare(base_url: str, token: str, data_dir: Path, scale: float, say: Say = print) -> Demo:
    """Make the workspace and the endpoint `demo`, load TPC-H into them, reuse whatever is there.

    ``data_dir`` is the service's data folder on this machine. Raises `ApiError`, `StatementFailed`,
    `GenerationFailed`.
    """
    with Api(base_url, token) as api:
        workspace_id = api.ensure_workspace(WORKSPACE)
        endpoint_id = api.ensure_endpoint(workspace_id, ENDPOINT)
        with api.open_session(workspace_id, endpoint_id) as session:
            rows = load_tpch(session, data_dir / "files" / workspace_id, scale, say)
    say(f"The workspace '{WORKSPACE}' has TPC-H: {sum(rows.values()):,} rows in {len(rows)} tables.")
    return Demo(url=base_url, token=token, workspace_id=workspace_id, endpoint_id=endpoint_id)


def save(demo: Demo, data_dir: Path) -> None:
    """Write `demo.json`, and `demo.env` for a shell, into the data folder; only their owner may read them."""
    _write(data_dir / "demo.json", msgspec.json.format(msgspec.json.encode(demo)) + b"\n")
    names = {"URL": demo.url, "TOKEN": demo.token, "WORKSPACE": demo.workspace_id, "ENDPOINT": demo.endpoint_id}
    _write(data_dir / "demo.env", "".join(f"{name}={value}\n" for name, value in names.items()).encode())


def saved_token(base_url: str, data_dir: Path) -> str | None:
    """The token of an earlier `save`, if the service still takes it."""
    try:
        token = msgspec.json.decode((data_dir / "demo.json").read_bytes(), type=Demo).token
    except (FileNotFoundError, msgspec.DecodeError):
        return None
    with Api(base_url, token) as api:
        try:
            api.call("GET", "/v1/workspaces?limit=1")
        except ApiError as refused:
            if refused.status == 401:
                return None
            raise
    return token


def instructions(demo: Demo, data_dir: Path) -> str:
    """How to call the service with curl, with the real token and ids."""
    here = f"{demo.url}/v1/workspaces/{demo.workspace_id}"
    auth = f"-H 'X-Auth-Token: {demo.token}' -H 'Content-Type: application/json'"
    opening = {
        "endpoint_id": demo.endpoint_id,
        "lake_formation_config": {"instance_id": "default", "catalog": "default"},
    }
    asking = {"session_id": "SESSION", "statement": "SELECT count(*) FROM lineitem"}
    return f"""
Open a session (its answer has the session_id):
  curl -X POST {here}/sessions {auth} -d '{_json(opening)}'

Run a statement in it (put the session_id for SESSION):
  curl -X POST {here}/sessions/statements {auth} -d '{_json(asking)}'

Cancel one (200 means it has stopped; -i shows the verdict in the headers):
  curl -i -X POST {here}/sessions/SESSION/statements/STATEMENT/cancel {auth}

Try every operation in a browser: {demo.url}/docs

The token ends 30 days after it was made; `.venv/bin/treadle token list` and `token revoke` show and end it.
The same values for scripts: {data_dir / "demo.json"} and, for a shell, {data_dir / "demo.env"}
"""


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _write(path: Path, content: bytes) -> None:
    """Replace the file at once; nobody else may read it at any moment."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    with contextlib.suppress(FileNotFoundError):
        fresh.unlink()
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    fresh.replace(path)
