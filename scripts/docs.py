"""Write docs/configuration.md from the settings themselves, so that it cannot be out of date."""

import argparse
import sys
import types
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ByteSize, IPvAnyNetwork
from pydantic.fields import FieldInfo

from treadle.config import Settings

PAGE = Path(__file__).resolve().parent.parent / "docs" / "configuration.md"

HEAD = """# Configuration

<!-- Written by scripts/docs from src/treadle/config.py: change it there. -->

Every setting has a default, so nothing has to be configured. A setting is looked for in this order, and the first found
is taken:

1. the command line, for the few that `treadle serve --help` shows (`--host`, `--port`, `--data-dir`),
2. the environment: `TREADLE_` and the name in capitals, `TREADLE_PAGE_ROWS=500`,
3. the TOML file given with `--config FILE`: `page_rows = 500`,
4. the default below.

Settings are read once, at the start. An invalid value, an unknown name in the file and an unknown variable
`TREADLE_…` stop the start with one line that names the setting and suggests the nearest known name.
Durations are seconds. A share is above 0 and at most 1. Sizes are bytes and may carry a unit: `512MiB`, `2GB`.
A list is JSON in the environment (`TREADLE_COPY_DIRS='["/srv/in", "/srv/out"]'`) and a list in TOML; a table likewise.

| setting | kind | default | what it is |
|---|---|---|---|
"""

TAIL = """
A session may set `statement_timeout` and `session_timeout` for itself with `SET`, up to `max_statement_timeout` and
`max_session_timeout`. All limits are enforced outside the engine, so no SQL can disarm them:
[what stops a statement](cancel.md#what-else-stops-a-statement).

An example file:

```toml
data_dir = "/var/lib/treadle"
host = "0.0.0.0"
tls_cert = "/etc/treadle/cert.pem"
tls_key = "/etc/treadle/key.pem"
database_url = "postgresql://treadle@db.internal/treadle"
worker_memory = "4GiB"
cancel_grace = 1.0
log_level = "warning"

[dpu_specs."dpu.tiny"]
memory = "512MiB"
threads = 1
```
"""


def page() -> str:
    """The whole page."""
    return HEAD + "".join(_row(name, field) for name, field in Settings.model_fields.items()) + TAIL


def _row(name: str, field: FieldInfo) -> str:
    named = next((one for one in field.metadata if isinstance(one, str)), None)
    kind = named or _kind(field.annotation)
    return f"| `{name}` | {kind} | {_default(field)} | {field.description} |\n"


def _kind(annotation: Any) -> str:
    """The kind of value in words."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return " or ".join(f"`{choice}`" for choice in inner)
    if origin in (Union, types.UnionType):
        return _kind(next(one for one in inner if one is not type(None)))
    if origin is tuple:
        return f"list of {_kind(inner[0])}s"
    if origin is dict:
        return f"table of {_fields(inner[1])} by name"
    words: dict[Any, str] = {
        bool: "yes or no",
        int: "whole number",
        str: "text",
        Path: "path",
        ByteSize: "size",
        IPvAnyNetwork: "network",
    }
    return words[annotation]


def _fields(model: type[BaseModel]) -> str:
    return " and ".join(f"`{name}`" for name in model.model_fields)


def _default(field: FieldInfo) -> str:
    match field.default:
        case None | ():
            return "none"
        case dict(table):
            rows = (f"`{name}` ({', '.join(_values(row))})" for name, row in table.items())
            return ", ".join(rows) or "none"
        case bool(value):
            return f"`{str(value).lower()}`"
        case ByteSize() as size:
            return f"`{_value(size)}`"
        case float(number):
            return f"`{number:.12g}`"
        case other:
            return f"`{other}`"


def _values(row: BaseModel) -> list[str]:
    """What a row of a table says."""
    return [f"{name} {_value(getattr(row, name))}" for name in type(row).model_fields]


def _value(value: object) -> str:
    return value.human_readable().replace(".0", "") if isinstance(value, ByteSize) else str(value)


def main() -> None:
    """Write the page, or with ``--check`` exit with 1 when it is out of date."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="only say whether it is up to date")
    if not parser.parse_args().check:
        PAGE.write_text(page())
    elif not PAGE.is_file() or PAGE.read_text() != page():
        sys.exit("docs/configuration.md is out of date: run scripts/docs")


if __name__ == "__main__":
    main()
