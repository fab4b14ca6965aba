"""DuckDB's extensions as wheels bring them: found, checked against the wheel's record, loaded from their files.

DuckDB's own signature check hashes 70 MB at every load; here each file is hashed once when the
zygote starts, against the digest its wheel was installed with.
"""

import base64
import hashlib
from importlib import metadata
from pathlib import Path

import duckdb


class ExtensionDamaged(Exception):
    """An extension file is missing, or differs from the one its wheel brought."""


def extension_path(name: str) -> Path:
    """The verified file of an extension; raises `ExtensionDamaged`."""
    wanted = f"/v{duckdb.__version__}/{name}.duckdb_extension"
    for file in metadata.files(f"duckdb-extension-{name.replace('_', '-')}") or ():
        if str(file).endswith(wanted):
            path = Path(str(file.locate()))
            _verify(path, file.hash)
            return path
    raise ExtensionDamaged(f"the wheel of the extension {name} for DuckDB {duckdb.__version__} is not installed")


def _verify(path: Path, recorded: metadata.FileHash | None) -> None:
    if recorded is None:
        raise ExtensionDamaged(f"{path.name} has no recorded digest")
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, recorded.mode).digest()
    if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != recorded.value:
        raise ExtensionDamaged(f"{path.name} differs from the file its wheel brought")
