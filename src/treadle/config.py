"""One frozen settings value, read once: command line over environment over TOML file over defaults.

A setting ``name`` is ``TREADLE_NAME`` in the environment and ``name = …`` in the TOML file. Durations
are seconds, sizes are bytes and may carry a unit (``512MiB``, ``2GB``).
"""

import os
import tomllib
from collections.abc import Container, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ByteSize, ConfigDict, Field, IPvAnyNetwork, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from treadle.model.errors import ConfigError
from treadle.model.nearest import suggested
from treadle.model.requirements import requirement, shown

PREFIX = "TREADLE_"
"""Prefix of the settings in the environment."""

OF_SCRIPTS = tuple(
    f"{PREFIX}{name}"
    for name in ("COVERAGE", "DEMO_SCALE", "FUZZ_", "PYTHON", "RACES", "SANDBOX_ROUNDS", "TEST_", "TRIALS", "VENV")
)
"""Prefixes of the variables for scripts and tests, which the service ignores."""

# The last word of each is the kind of value in docs/configuration.md.
Seconds = Annotated[float, Field(gt=0), "seconds"]
Share = Annotated[float, Field(gt=0, le=1), "share"]
TimeLimit = Annotated[float, Field(ge=0, le=2_147_483), "seconds"]
Count = Annotated[int, Field(ge=1)]

MIN_MEMORY = 128 * 2**20
"""Bytes a worker needs to open a session; whoever asks for less gets this."""


class Engine(BaseModel):
    """One of the operator's engines, under the name an endpoint calls it by.

    Another kind of engine joins as another value of ``kind``, with the fields it needs; its password is
    one of them and is said nowhere else.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["duckdb"] = "duckdb"


class DpuSpec(BaseModel):
    """What each worker of an endpoint with this specification may use; ``memory`` in bytes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    memory: Annotated[ByteSize, Field(ge=MIN_MEMORY)]
    threads: Count


BUILT_IN_ENGINE = "duckdb"
"""The engine that is always there, under its own name."""

DPU_SPECS = {
    "dpu.small": DpuSpec(memory=ByteSize(2**30), threads=1),
    "dpu.medium": DpuSpec(memory=ByteSize(2 * 2**30), threads=2),
    "dpu.large": DpuSpec(memory=ByteSize(8 * 2**30), threads=4),
    "dpu.xlarge": DpuSpec(memory=ByteSize(32 * 2**30), threads=8),
}


class Settings(BaseSettings):
    """Every limit and switch of the service, with its default."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid")

    # where
    data_dir: Path = Field(Path("treadle-data"), description="Folder of everything the service keeps.")
    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8760, ge=0, le=65535, description="Port to listen on; 0 picks a free one.")
    database_url: str | None = Field(
        None,
        description="PostgreSQL for the service's memory; without it a private one is started in the data folder.",
        repr=False,
    )
    copy_dirs: tuple[Path, ...] = Field(
        (),
        description="Folders COPY and file-reading functions may use beside each workspace's own.",
    )

    # the cancel contract
    cancel_grace: Seconds = Field(2.0, description="Seconds an interrupt may take before the worker is killed.")
    cancel_timeout: Seconds = Field(30.0, description="Seconds after which an unproven stop is answered 408.")
    tombstone_ttl: Seconds = Field(300.0, description="Seconds a cancel that came before its submit is kept.")
    session_tombstones: Count = Field(1000, description="Cancels before their submit that one session keeps at most.")
    shutdown_grace: Seconds = Field(10.0, description="Seconds a shutdown may take to stop what runs.")

    # requests
    sync_wait: Seconds = Field(50.0, description="Seconds a synchronous submit waits for its end.")
    session_wait: Seconds = Field(
        5.0, description="Seconds a request for a session without `wait_timeout` waits for a free slot before 429."
    )
    max_wait: Seconds = Field(60.0, description="The most seconds a request for a result may ask to wait for its end.")
    on_disconnect: Literal["continue", "cancel"] = Field(
        "continue",
        description="What becomes of a synchronous statement whose client has gone, unless its submit says otherwise.",
    )
    page_rows: Count = Field(1000, description="Rows on a result page, at most.")
    page_bytes: Annotated[ByteSize, Field(ge=2**14)] = Field(
        ByteSize(8 * 2**20),
        description="Bytes of rows, as Arrow holds them, with which a result page is full; a larger row is a page of "
        "its own.",
    )
    max_page_bytes: ByteSize = Field(
        ByteSize(128 * 2**20),
        description="Bytes of the rows in one answer; a larger row has to be fetched with READ_OBS. `page_bytes` "
        "counts as an eighth of it at most, so that every page of several rows fits.",
    )
    page_timeout: Seconds = Field(60.0, description="Seconds that making a result page may take.")
    max_statement_chars: Count = Field(10_000_000, description="Characters of SQL in one request.")
    max_judged_names: Count = Field(
        10_000,
        description="Files, tables, queries and relations of the service that the SQL of one request may name; each of "
        "them is checked.",
    )
    max_body: ByteSize = Field(ByteSize(128 * 2**20), description="Bytes of a request body.")
    max_signed_body: ByteSize = Field(
        ByteSize(12 * 2**20), description="Bytes of the body of a signed request, read before its sender is known."
    )
    record_chars: Count = Field(256, description="Characters of SQL shown in a list of records.")

    # workers
    worker_memory: ByteSize = Field(ByteSize(2 * 2**30), description="Bytes of memory of one worker.")
    worker_threads: Count = Field(2, description="Engine threads of one worker.")
    worker_spill: ByteSize = Field(ByteSize(20 * 2**30), description="Bytes one worker may spill to disk.")
    worker_file_size: ByteSize = Field(ByteSize(0), description="Bytes of the largest file a worker may write; 0 any.")
    sandbox: Literal["on", "require", "off"] = Field(
        "on",
        description="How the kernel confines workers: `on` with what it has, and a warning for what it lacks; "
        "`require` with all of it, or the service does not start.",
    )
    worker_start: Seconds = Field(30.0, description="Seconds a worker may take to open a session.")
    attached_workers: int = Field(
        2, ge=0, description="Workers kept attached to the catalogs used last, one a catalog, for sessions to come."
    )
    warm_workers: int = Field(2, ge=0, description="Workers kept ready for new sessions.")

    # work outside the event loop; one user has at most all but one of the processes or threads of a kind
    page_processes: Count = Field(2, description="Processes that make result pages.")
    page_threads: Annotated[int, Field(ge=2)] = Field(
        3, description="Threads that make result pages of a few thousand plain values."
    )
    intake_processes: Count = Field(2, description="Processes that read scripts with bindings.")
    waiting_orders: Count = Field(256, description="Most pages, or scripts, of one user that wait for a process.")
    stop_threads: Annotated[int, Field(ge=2)] = Field(
        4, description="Threads that clean up after stopped statements and dead workers."
    )
    file_threads: Annotated[int, Field(ge=2)] = Field(4, description="Threads for files and folders.")
    password_threads: Count = Field(2, description="Threads that check passwords.")

    # workspaces, endpoints and sessions
    workspace_quota: int = Field(0, ge=0, description="Workspaces a project may have; 0 any number.")
    engines: dict[str, Engine] = Field(
        {},
        description="Engines an endpoint may name in its `config.engine` beside the built-in `duckdb`, by name.",
    )
    dpu_specs: dict[str, DpuSpec] = Field(
        DPU_SPECS,
        description="What an endpoint's `reserved_resource.dpu.spec_code` may say, and what each worker then gets.",
    )
    max_session_memory: ByteSize = Field(
        ByteSize(384 * 2**30), description="Bytes of memory a session may ask for with `memory`."
    )
    max_session_threads: Count = Field(48, description="Engine threads a session may ask for with `cpu`.")
    endpoint_sessions: Count = Field(100, description="Sessions an endpoint runs at once unless it says otherwise.")
    endpoint_statements: Count = Field(100, description="Statements an endpoint runs at once unless it says otherwise.")
    session_timeout: int = Field(
        600, ge=0, le=86400, description="Idle seconds after which a session is closed; 0 never."
    )
    statement_timeout: int = Field(
        0, ge=0, le=2_147_483, description="Seconds a statement may run unless its session says otherwise; 0 for ever."
    )

    # statements whose commit lost a race against another session
    commit_retries: int = Field(
        10, ge=0, description="Times a statement outside of a transaction is run again when its commit lost a race."
    )
    commit_retry_time: Seconds = Field(
        30.0, description="Seconds after its first lost race within which a statement is begun again."
    )

    # limits no session can change; 0 is none
    queue_timeout: TimeLimit = Field(
        0.0, description="Seconds a statement may wait for its start before it is cancelled; 0 for ever."
    )
    total_timeout: TimeLimit = Field(
        0.0, description="Seconds from the submit of a request to its end, waiting and running together; 0 for ever."
    )
    max_statement_timeout: TimeLimit = Field(
        0.0, description="The most a session's `statement_timeout` counts for, also when it says 0; 0 for no bound."
    )
    max_session_timeout: TimeLimit = Field(
        0.0, description="The most a session's `session_timeout` counts for, also when it says 0; 0 for no bound."
    )
    max_session_seconds: TimeLimit = Field(
        0.0, description="Seconds after which a session is closed, idle or not; 0 never."
    )
    max_result_rows: int = Field(
        0, ge=0, description="Rows a result may have before its statement is cancelled; 0 any."
    )
    max_result_bytes: ByteSize = Field(
        ByteSize(0), description="Bytes a result may have, as Arrow, before its statement is cancelled; 0 any."
    )

    # against abuse
    user_rate: Count = Field(
        2000, description="Requests a second of one user; cancels are counted by themselves, up to as many again."
    )
    project_rate: Count = Field(4000, description="Requests a second of one project, cancels not counted.")
    login_rate: Count = Field(20, description="Logins a second from one address.")
    stranger_rate: Count = Field(
        100,
        description="Requests a second from one address (of IPv6: one /64) that identify no user: without a token, "
        "with a wrong one or a bad signature; ten times as many at once after a pause.",
    )
    stranger_memory: ByteSize = Field(
        ByteSize(64 * 2**20),
        description="Bytes of request bodies in memory whose signers are not known yet; one address has a quarter "
        "of it, or one body.",
    )
    answer_memory: ByteSize = Field(
        ByteSize(2**30),
        description="Bytes of answers in memory that callers have not taken yet; one user has a quarter of it, or one "
        "answer.",
    )
    body_memory: ByteSize = Field(
        ByteSize(2**30),
        description="Bytes of request bodies in memory that are being read of known users; one has a quarter of it, "
        "or one body.",
    )
    user_statements: Count = Field(50_000, description="Statements of one user that wait or run at once.")
    project_statements: Count = Field(100_000, description="Statements of one project that wait or run at once.")
    project_sessions: Count = Field(2000, description="Sessions of one project that have not ended.")
    workspace_results: ByteSize = Field(
        ByteSize(100 * 2**30), description="Bytes on disk of the results kept for one workspace; 0 any."
    )
    workspace_files: ByteSize = Field(
        ByteSize(100 * 2**30), description="Bytes on disk of the files of one workspace; 0 any."
    )
    workspace_spill: ByteSize = Field(
        ByteSize(100 * 2**30), description="Bytes the statements of one workspace may have spilled at once; 0 any."
    )
    quota_interval: Seconds = Field(15.0, description="Seconds between two measurements of what workspaces have.")
    max_connections: Count = Field(5000, description="Connections at once; more are closed as they come.")
    max_uri: ByteSize = Field(ByteSize(32 * 2**10), description="Bytes of a request target.")
    max_head: ByteSize = Field(ByteSize(128 * 2**10), description="Bytes of a request target and headers together.")
    head_timeout: Seconds = Field(30.0, description="Seconds a request's target and headers may take to come.")
    body_idle: Seconds = Field(60.0, description="Seconds a caller may pause within a request body.")
    send_timeout: Seconds = Field(60.0, description="Seconds a caller may take nothing of an answer that waits for it.")
    trusted_proxies: tuple[IPvAnyNetwork, ...] = Field(
        (),
        description="Networks of proxies whose `X-Forwarded-For` is believed, for the audit and the limits by address.",
    )

    # who calls
    token_lifetime: Seconds = Field(24 * 3600.0, description="Seconds a token got with a password is valid.")
    signature_skew: Seconds = Field(900.0, description="Seconds the date of a signed request may be off.")
    key_lockout: Seconds = Field(
        300.0, description="Seconds an access key is locked after five bad signatures in a row."
    )
    login_lockout: Seconds = Field(
        300.0, description="Seconds a user gets no token after five wrong passwords in a row."
    )
    credential_key: Path | None = Field(
        None,
        description="File of the key under which secret keys are kept; without it `credential.key` in the data "
        "folder, made when it is first needed.",
    )

    # TLS
    tls_cert: Path | None = Field(None, description="File of the server's certificate and those it rests on (PEM).")
    tls_key: Path | None = Field(None, description="File of the certificate's private key (PEM).")
    allow_plain_http: bool = Field(
        False, description="Whether to serve without TLS on an address that others than this machine reach."
    )

    # keeping
    audit_ttl: Seconds = Field(365 * 86400.0, description="Seconds an entry of the audit is kept.")
    result_ttl: Seconds = Field(24 * 3600.0, description="Seconds a result can be read.")
    record_ttl: Seconds = Field(30 * 86400.0, description="Seconds a record is kept.")
    sweep_interval: Seconds = Field(60.0, description="Seconds between two sweeps of expired results and records.")
    snapshot_ttl: TimeLimit = Field(
        7 * 86400.0,
        description="Seconds a snapshot of a catalog can be travelled to; 0 for ever. The newest one always can.",
    )
    file_retention: Seconds = Field(
        3600.0,
        description="Least seconds a data file is kept after it fell out of use, or a snapshot after it was made; what "
        "runs longer keeps them for longer.",
    )
    maintenance: bool = Field(True, description="Whether the service maintains catalogs by itself.")
    maintenance_pause: Seconds = Field(5.0, description="Least seconds between two looks at a catalog that changes.")
    maintenance_patience: Seconds = Field(
        600.0,
        description="Seconds for which maintenance gives way to work that runs for longer than `maintenance_pause` or "
        "is not retried; it always gives way to statements that have lost a race.",
    )
    maintenance_timeout: Seconds = Field(300.0, description="Seconds one step of maintenance may take.")
    maintenance_small_files: Annotated[int, Field(ge=2)] = Field(
        16, description="Small files of a table that are merged into one as soon as there are so many."
    )
    maintenance_deleted_share: Share = Field(
        0.25, description="Share of deleted rows from which on a data file is rewritten without them."
    )
    poll_interval: Seconds = Field(1.0, description="Seconds between two looks of the owner at the store.")

    # logs
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level logged.")
    log_format: Literal["json", "console"] = Field("json", description="Form of a log line.")
    log_sql: bool = Field(False, description="Whether the text of statements is logged at level info.")

    @property
    def full_page(self) -> int:
        """Bytes with which a result page is full; as JSON it has at most eight times as many."""
        return min(int(self.page_bytes), int(self.max_page_bytes) // 8)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Command line, then environment, then the TOML file."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)


def _check_environment(environment: Mapping[str, str]) -> None:
    """Raise `ConfigError` for a variable with the prefix that is no setting: a misspelt limit would have no effect."""
    known = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}
    for name in environment:
        upper = name.upper()
        if upper.startswith(PREFIX) and upper not in known and not upper.startswith(OF_SCRIPTS):
            raise ConfigError(f"{name} in the environment is no setting{suggested(upper, known)}")


def _wrong(error: ErrorDetails, given: Container[str], file: Path | None) -> str:
    """Describe a wrong setting in one line; ``given`` are the names of the options that were given."""
    place = error["loc"]
    name = ".".join(map(str, place)) or "settings"
    if error["type"] != "extra_forbidden":
        source = f" (--{name.replace('_', '-')})" if name in given else _source(str(place[0]) if place else "", file)
        return f"{name}{shown(name, error['input'])}{source}: {requirement(error['type'], error['msg'])}"
    tables: dict[str, type[BaseModel]] = {"engines": Engine, "dpu_specs": DpuSpec}
    siblings = tables.get(str(place[0]), Settings)
    where = f"{file}: " if file is not None else ""
    return f"{where}{name} is no setting{suggested(str(place[-1]), siblings.model_fields)}"


def _source(name: str, file: Path | None) -> str:
    """Name the variable or the file that a setting comes from, in parentheses."""
    variable = f"{PREFIX}{name.upper()}"
    if any(variable == one.upper() for one in os.environ):
        return f" ({variable})"
    return f" ({file})" if file is not None else ""


def load(config: Path | None = None, **overrides: Any) -> Settings:
    """Read the settings once; ``overrides`` that are None are as if not given.

    Raises `ConfigError` naming each wrong setting.
    """
    if config is not None and not config.is_file():
        raise ConfigError(f"no such configuration file: {config}")
    _check_environment(os.environ)
    given = {name: value for name, value in overrides.items() if value is not None}

    class FromFile(Settings):
        model_config = SettingsConfigDict(toml_file=config)

    try:
        settings = FromFile(**given)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{config}: {error}") from None
    except SettingsError as error:
        # Tables and lists are JSON in the environment.
        name = next((one for one in Settings.model_fields if f'"{one}"' in str(error)), "settings")
        raise ConfigError(f"{name}{_source(name, config)}: must be JSON") from None
    except ValidationError as error:
        raise ConfigError("; ".join(_wrong(one, given, config) for one in error.errors())) from None
    return settings.model_copy(update={"data_dir": settings.data_dir.expanduser().absolute()})
