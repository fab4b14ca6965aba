"""The composition root: every part of the service is made here and given what it needs."""

import asyncio
import contextlib
import gc
import os
import signal
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final

import structlog
import uvicorn

from treadle.api.app import build
from treadle.api.http import Bounds, server_config
from treadle.config import Settings
from treadle.data_folder import require_data, sole_owner
from treadle.lakes import Lakes
from treadle.levels import Levels
from treadle.listening import bind, certificate
from treadle.metrics import Metrics
from treadle.model.errors import ConfigError, Unavailable
from treadle.outside import SystemClock, new_id, new_secret
from treadle.pools.pools import Pools
from treadle.scheduler.context import Context
from treadle.scheduler.forking import end_leftovers
from treadle.scheduler.maintenance import Maintenance
from treadle.scheduler.owner import Owner
from treadle.scheduler.processes import ForkedWorkers
from treadle.scheduler.quotas import Quotas
from treadle.scheduler.recovery import recover
from treadle.scheduler.regrouping import regroup
from treadle.scheduler.sweeper import sweep_forever
from treadle.service import Deps, Service
from treadle.service.audit import ORIGIN, Origin
from treadle.service.deps import LOOK_SECONDS
from treadle.slices import take_short_turns
from treadle.store.base import Wake
from treadle.store.embedded import EmbeddedPostgres
from treadle.store.migrate import migrate
from treadle.store.postgres import PostgresStore
from treadle.store.postgres.gateway import GatewayLease, StoreTaken
from treadle.store.signals import Signals
from treadle.worker import confine

log = structlog.get_logger("treadle")

WATCH_SECONDS: Final = 2.0
POOL_SIZE: Final = 12

LOOK_BESIDE: Final = 0.02
"""Seconds between two looks of a verb that waits beside the service: nobody wakes it there."""


class Memory:
    """The service's PostgreSQL: the operator's, or the private one, which is started and watched."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._embedded: EmbeddedPostgres | None = None

    @property
    def embedded(self) -> EmbeddedPostgres | None:
        """The private server, None when the operator brings one."""
        return self._embedded

    async def start(self) -> str:
        """Start the server and return the dsn of the store."""
        if self._settings.database_url is not None:
            return self._settings.database_url
        self._embedded = await asyncio.to_thread(EmbeddedPostgres.start, self._settings.data_dir)
        return self._embedded.service_dsn

    async def watch(self) -> None:
        """Start the private server again whenever it has died."""
        while self._embedded is not None:
            await asyncio.sleep(WATCH_SECONDS)
            try:
                if await asyncio.to_thread(self._embedded.ensure_running):
                    log.warning("postgres_restarted")
            except Exception:
                log.exception("postgres_restart_failed")

    async def stop(self) -> None:
        """Stop the private server; the operator's goes on."""
        if self._embedded is not None:
            await asyncio.to_thread(self._embedded.stop)


@asynccontextmanager
async def operator(settings: Settings, *, create: bool = False) -> AsyncIterator[Service]:
    """The verbs for a command beside a running service, or without one.

    Wakes go through the store; a private PostgreSQL that had to be started is stopped again. One
    that was never there is made with ``create`` only, else `ConfigError` is raised.
    """
    if not create:
        require_data(settings)
    was_running = settings.database_url is not None or EmbeddedPostgres(settings.data_dir).running()
    memory = Memory(settings)
    async with contextlib.AsyncExitStack() as undo:
        if not was_running:
            undo.push_async_callback(memory.stop)
        dsn = await memory.start()
        await asyncio.to_thread(migrate, dsn)
        store = await PostgresStore.connect(dsn, pool_size=4)
        undo.push_async_callback(store.close)
        yield await undo.enter_async_context(_beside(settings, store, dsn))


@asynccontextmanager
async def _beside(settings: Settings, store: PostgresStore, dsn: str) -> AsyncIterator[Service]:
    """The verbs whose wakes go through the store; returns when every wake is sent."""
    signals = Signals()
    notices: set[asyncio.Task[None]] = set()
    signals.on_wake(lambda wake: notices.add(asyncio.create_task(store.notify(wake))))
    metrics = Metrics()
    pools = Pools(settings, metrics)
    lakes = Lakes(dsn, store, settings.data_dir, pools.files.run)
    service = _service(settings, store, signals, lakes, _no_check, metrics, pools, look_seconds=LOOK_BESIDE)
    try:
        ORIGIN.set(Origin(f"local, user id {os.getuid()}"))
        yield service
    finally:
        pools.close()
        await service.deps.audit.close()
        await asyncio.gather(*notices, return_exceptions=True)


def lakes_of(service: Service) -> Lakes:
    """The catalogs behind the verbs of a command."""
    plant = service.deps.plant
    assert isinstance(plant, Lakes)
    return plant


async def _no_check() -> None:
    return


def _service(
    settings: Settings,
    store: PostgresStore,
    signals: Signals,
    lakes: Lakes,
    check_ready: Callable[[], Awaitable[None]],
    metrics: Metrics,
    pools: Pools,
    *,
    look_seconds: float = LOOK_SECONDS,
) -> Service:
    return Service(
        Deps(
            store=store,
            signals=signals,
            clock=SystemClock(),
            new_id=new_id,
            new_secret=new_secret,
            settings=settings,
            plant=lakes,
            check_ready=check_ready,
            metrics=metrics,
            look_seconds=look_seconds,
            pools=pools,
        )
    )


def check_sandbox(settings: Settings) -> None:
    """Say, once, what keeps the kernel from confining workers; raises `ConfigError` where it is required to."""
    lacking = confine.available().lacking
    if settings.sandbox == "off":
        log.warning("workers_not_confined", why="sandbox = off")
    elif lacking and settings.sandbox == "require":
        raise ConfigError(f"sandbox: this kernel has no {' and no '.join(lacking)}")
    elif lacking:
        log.warning("workers_not_confined", why=f"this kernel has no {' and no '.join(lacking)}")


def sandbox_options(settings: Settings) -> tuple[str, ...]:
    """How the zygote is told to confine workers."""
    return ("--sandbox", settings.sandbox, "--file-size", str(int(settings.worker_file_size)))


class Gateway:
    """One gateway process: the store, the workers, the owner, the verbs and their HTTP door."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._memory = Memory(settings)
        self._metrics = Metrics()
        self._undo = contextlib.AsyncExitStack()
        self._taken: StoreTaken | None = None
        self.over = asyncio.Event()
        """Set when another gateway has taken over the store."""

    async def start(self) -> None:
        """Bring everything up, and tell the truth about what an earlier run left."""
        settings = self._settings
        check_sandbox(settings)
        await asyncio.to_thread(end_leftovers, settings.data_dir)
        self._undo.push_async_callback(self._memory.stop)
        dsn = await self._memory.start()
        owner_id = new_id()
        lease = GatewayLease(dsn, owner_id, settings.data_dir, self._lose)
        # Before the tables are changed: a migration would break a gateway that still runs on them.
        await lease.acquire()
        self._undo.push_async_callback(lease.release)
        await asyncio.to_thread(migrate, dsn)
        await lease.register()
        self._store = await PostgresStore.connect(dsn, pool_size=POOL_SIZE, admission=lease)
        self._undo.push_async_callback(self._store.close)
        signals = Signals()
        self._pools = Pools(settings, self._metrics)
        self._undo.callback(self._pools.close)
        lakes = Lakes(dsn, self._store, settings.data_dir, self._pools.files.of("catalogs"))
        context = Context(
            owner_id=owner_id,
            store=self._store,
            signals=signals,
            clock=SystemClock(),
            new_id=new_id,
            settings=settings,
            catalogs=lakes,
            figures=self._metrics,
            stopping=self._pools.stops.of,
            attaching=self._pools.files.of("sessions"),
            filing=self._pools.files.run,
        )
        await regroup(context)
        await recover(context)
        self._workers = ForkedWorkers(
            settings.data_dir,
            new_id,
            settings.warm_workers,
            settings.worker_start,
            sandbox_options(settings),
            self._pools.stops.run,
        )
        self._undo.push_async_callback(self._workers.stop)
        await self._workers.start()
        self._owner = Owner(context, self._workers)
        await self._owner.start()
        quotas = Quotas(context, lambda: self._owner.lanes)
        for duty in (quotas.forever(), sweep_forever(context), self._memory.watch()):
            self._undo.push_async_callback(_end, asyncio.create_task(duty))
        self.levels = Levels(context, self._metrics, self._owner, self._workers)
        self.service = _service(settings, self._store, signals, lakes, self._check_ready, self._metrics, self._pools)
        self._pools.start()
        self.service.deps.full = quotas.full
        self._undo.push_async_callback(await self._store.listen(self._heed))
        self._undo.push_async_callback(self.service.deps.audit.close)
        self._undo.push_async_callback(self.service.deps.abandon)
        self._undo.push_async_callback(self._stop_owner)
        maintenance = Maintenance(context, self._workers, lakes, self._metrics, self._owner.works)
        lakes.on_destroy(maintenance.leave)
        self._undo.push_async_callback(maintenance.stop)
        if settings.maintenance:
            maintenance.start()
        self._undo.callback(self.service.close)

    async def stop(self) -> None:
        """Undo the start in the opposite order: stop what runs, end the sessions and workers, let go of the store.

        A second call finds nothing to do.
        """
        if self._taken is not None:
            # No work may continue here, and its outcome can no longer be written to the store.
            await self._workers.stop()
        await self._undo.aclose()

    def check_kept(self) -> None:
        """Raise `StoreTaken` when another gateway has taken over the store."""
        if self._taken is not None:
            raise self._taken

    def _lose(self, taken: StoreTaken) -> None:
        self._taken = taken
        self.over.set()

    async def _stop_owner(self) -> None:
        await self._owner.stop(0.0 if self._taken is not None else self._settings.shutdown_grace)

    @property
    def metrics(self) -> Metrics:
        """The figures of this process."""
        return self._metrics

    def _heed(self, wake: Wake) -> None:
        """Drop cached rights after a command has changed them."""
        if wake.directory:
            self.service.forget()

    async def _check_ready(self) -> None:
        if not self._workers.ready:
            raise Unavailable("no worker can be started")


async def _end(duty: "asyncio.Task[None]") -> None:
    """Cancel a duty and wait until it is over."""
    duty.cancel()
    await asyncio.wait([duty])


class _Server(uvicorn.Server):
    """uvicorn without its own signal handlers: the gateway stops its work before its door closes."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.answering = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.answering.set()


async def serve(settings: Settings, say: Callable[[str], None] = print) -> None:
    """Run the service until SIGINT or SIGTERM; ``say`` gets the one line that it is ready."""
    # What the service writes is for its own user: results, files, logs of the private server.
    os.umask(0o077)
    take_short_turns()
    tls = certificate(settings)
    with sole_owner(settings.data_dir), contextlib.closing(bind(settings.host, settings.port)) as sock:
        stopping = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stopping.set)
        gateway = Gateway(settings)
        try:
            await gateway.start()
            # What is there now stays: to look through it again for garbage would hold up everybody.
            gc.collect()
            gc.freeze()
            await _answer(gateway, settings, sock, tls, stopping, say)
        finally:
            await gateway.stop()
            log.info("stopped")


async def _answer(
    gateway: Gateway,
    settings: Settings,
    sock: socket.socket,
    tls: ssl.SSLContext | None,
    stopping: asyncio.Event,
    say: Callable[[str], None],
) -> None:
    config = server_config(
        build(gateway.service, settings, gateway.levels.scrape, observe=gateway.metrics.request_ended),
        bounds=Bounds(
            uri=settings.max_uri,
            head=settings.max_head,
            head_seconds=settings.head_timeout,
            send_seconds=settings.send_timeout,
            connections=settings.max_connections,
        ),
        tls=tls,
        lifespan="off",
        timeout_graceful_shutdown=int(settings.shutdown_grace) + 1,
    )
    server = _Server(config)
    door = asyncio.create_task(server.serve(sockets=[sock]))
    await _first(door, server.answering)
    if not door.done():
        host, port = sock.getsockname()[:2]
        scheme = "https" if tls is not None else "http"
        say(f"treadle ready {scheme}://{f'[{host}]' if ':' in host else host}:{port}")
        log.info("ready", host=host, port=port)
        await _first(door, stopping, gateway.over)
        # What runs is stopped while the door is still open, so that whoever waits hears the truth.
        await gateway.stop()
        server.should_exit = True
    await door
    gateway.check_kept()


async def _first(door: "asyncio.Task[None]", *events: asyncio.Event) -> None:
    """Wait until one of the events is set or the server has ended."""
    waiters = [asyncio.create_task(event.wait()) for event in events]
    await asyncio.wait([door, *waiters], return_when=asyncio.FIRST_COMPLETED)
    for one in waiters:
        one.cancel()
