"""The home folder of a user who works with DuckDB, PostgreSQL and a cloud, filled as their tools fill it."""

import json
import shutil
from pathlib import Path
from typing import Final

import duckdb

from treadle.engines.duckdb.extensions import extension_path

INSTALLED: Final = "tpcds"
"""An extension that the user has installed, and that the service does not load."""


def fill(home: Path, canary: str) -> None:
    """Make a home folder in which every file holds ``canary``, but for the extension."""
    version, platform = duckdb.__version__, _platform()
    extensions = home / ".duckdb" / "extensions" / f"v{version}" / platform
    extensions.mkdir(parents=True)
    shutil.copy(extension_path(INSTALLED), extensions)
    for path, text in {
        ".duckdbrc": f"-- {canary}\n",
        ".duckdb/stored_secrets/kept.duckdb_secret": canary,
        ".pgpass": f"*:*:*:*:{canary}\n",
        ".pg_service.conf": f"[{canary}]\nhost=localhost\n",
        ".postgresql/root.crt": canary,
        ".postgresql/postgresql.crt": canary,
        ".postgresql/postgresql.key": canary,
        ".aws/credentials": f"[default]\naws_secret_access_key = {canary}\n",
        ".aws/config": f"[default]\nregion = {canary}\n",
        ".config/gcloud/application_default_credentials.json": json.dumps({"private_key": canary}),
        ".azure/accessTokens.json": json.dumps({"token": canary}),
        "data.csv": f"a\n{canary}\n",
    }.items():
        (home / path).parent.mkdir(parents=True, exist_ok=True)
        (home / path).write_text(text)
        (home / path).chmod(0o600)


def _platform() -> str:
    row = duckdb.sql("PRAGMA platform").fetchone()
    assert row is not None
    return str(row[0])
