"""The clients of a run: they call verbs, hear answers, and hold the answers against the truth."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from tests.simulation.scenario import (
    AnyAct,
    Cancel,
    CancelMany,
    CancelSession,
    CloseSession,
    DeleteEndpoint,
    OpenSession,
    ShowResult,
    Submit,
    tag_of,
)
from treadle.model.entities import Principal, Session
from treadle.model.errors import NotFound, NotStopped, RequestError
from treadle.model.states import CancelOutcome
from treadle.service import Service
from treadle.service.delivery import Settle
from treadle.service.deps import Leaving
from treadle.service.views import (
    CancelFilter,
    CancelReport,
    NewSession,
    OnDisconnect,
    SessionView,
    StatementView,
    Submission,
)
from treadle.store.errors import StoreUnavailable

if TYPE_CHECKING:
    from tests.simulation.world import World

T = TypeVar("T")

ALICE = Principal(project_id="p", project_name="project", user_id="u", user_name="alice")
WORKSPACE = "ws"
PAGE_ROWS = 2


def chosen_id(program: int) -> str:
    """The id a client chooses for its statement."""
    return f"chosen-{program}"


async def _leave(seconds: float) -> None:
    """The client goes away."""
    await asyncio.sleep(seconds)
    raise ConnectionResetError


class Clients:
    """Everybody who calls."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self._truth = world.truth
        self.session_ids: dict[int, str] = {}
        self._calls: dict[str, int] = {}
        self._opening: list[OpenSession] = []

    @property
    def waiting(self) -> list[str]:
        """The calls without an answer."""
        return [name for name, count in self._calls.items() if count]

    async def do(self, act: AnyAct) -> None:
        """Carry out what a client does."""
        match act:
            case OpenSession():
                await self._open(act)
            case Submit():
                await self._submit(act)
            case Cancel():
                await self._cancel(act)
            case CancelMany():
                await self._cancel_many(act)
            case CancelSession():
                await self._cancel_session(act)
            case CloseSession():
                await self._close(self.session_ids.get(act.session))
            case ShowResult():
                await self._show(act)
            case DeleteEndpoint():
                await self._call("delete", lambda s: s.delete_endpoint(ALICE, WORKSPACE, f"ep-{act.endpoint}"))
            case _:
                raise TypeError(f"no client does {act}")

    def close_all(self) -> None:
        """Close every session."""
        for session_id in self.session_ids.values():
            self._world.outside.copy().run(self._world.loop.create_task, self._close(session_id))

    async def _call(self, name: str, verb: Callable[[Service], Awaitable[T]]) -> T | Exception:
        """The answer, or what was raised: the refusal of the service, or the loss of the connection."""
        self._calls[name] = self._calls.get(name, 0) + 1
        try:
            answer: T | Exception = await self._world.ask(verb)
        except (RequestError, ConnectionError) as error:
            answer = error
        except Exception as error:
            self._truth.wrong("500", f"{name}: {error!r}")
            answer = error
        finally:
            self._calls[name] -= 1
        self._world.trace.note("answer", name, answer)
        return answer

    # -- sessions ---------------------------------------------------------------------------

    async def _open(self, act: OpenSession) -> None:
        new = NewSession(
            endpoint_id=f"ep-{act.endpoint}", instance_id="default", catalog="default", wait_timeout=act.patience
        )
        self._opening.append(act)
        await self._call("open", lambda s: self._opened(s, new, act.leaves))
        if act in self._opening:
            self._opening.remove(act)

    async def _opened(self, service: Service, new: NewSession, leaves: float | None) -> SessionView:
        """The session, if its opener is still there when the answer comes."""
        began = self._world.loop.time()
        settles: list[Settle] = []
        leaving = None if leaves is None else partial(_leave, leaves)
        view = await service.create_session(ALICE, WORKSPACE, new, leaving, settles.append)
        delivered = leaves is None or self._world.loop.time() - began < leaves
        if delivered:
            self._truth.answered.add(view.session_id)
        for settle in settles:
            settle(delivered)
        if not delivered:
            raise ConnectionResetError
        return view

    def session_is_born(self, session: Session) -> None:
        """A session is stored: a client that does not wait for it knows its id from a list."""
        for act in self._opening:
            if session.endpoint_id == f"ep-{act.endpoint}":
                self._opening.remove(act)
                self.session_ids[act.session] = session.id
                return

    async def _close(self, session_id: str | None) -> None:
        session = self._world.memory.sessions.get(session_id or "")
        if session_id is None or session is None:
            return
        had_ended = session.status.final
        answer = await self._call("close", lambda s: s.close_session(ALICE, WORKSPACE, session_id))
        if answer is None:
            self._truth.told_closed(session_id, had_ended=had_ended)

    async def _cancel_session(self, act: CancelSession) -> None:
        session_id = self.session_ids.get(act.session)
        if session_id is not None:
            await self._cancel_all_in(session_id)

    async def _cancel_all_in(self, session_id: str) -> None:
        before = self._truth.covered(lambda life: life.row.session_id == session_id)
        self._truth.asked.add(session_id)
        answer = await self._call("cancel session", lambda s: s.cancel_session_statements(ALICE, WORKSPACE, session_id))
        if not isinstance(answer, Exception):
            self._truth.told_all_cancelled(before)

    # -- statements -------------------------------------------------------------------------

    async def _submit(self, act: Submit) -> None:
        session_id = self.session_ids.get(act.session)
        if session_id is None:
            return
        submission = Submission(
            session_id=session_id,
            statement=f"program {act.runs}",
            is_sync=act.sync,
            tags=(tag_of(act.runs),),
            statement_id=chosen_id(act.runs) if act.chosen else None,
            idempotency_key=f"key {act.runs}" if act.keyed else None,
            keepalive=act.keepalive,
            on_disconnect=OnDisconnect.CANCEL if act.leaves is not None else None,
        )
        leaving = None if act.leaves is None else partial(_leave, act.leaves)
        self._truth.submits(act.runs, keyed=act.keyed, leaving=act.leaves is not None or act.keepalive is not None)
        answer = await self._call("submit", lambda s: self._executed(s, act.runs, submission, leaving))
        if not isinstance(answer, Exception):
            self._truth.told_result(answer, 1, PAGE_ROWS)

    async def _executed(
        self, service: Service, program: int, submission: Submission, leaving: Leaving | None
    ) -> StatementView:
        """What is answered to a submit; one that fails for the store's sake is given up."""
        try:
            return await service.execute(ALICE, WORKSPACE, submission, leaving)
        except StoreUnavailable:
            self._truth.gives_up(program)
            raise

    async def _cancel(self, act: Cancel) -> None:
        statement_id = self._truth.ids.get(act.target)
        if statement_id is None:
            unnamed = self._truth.unnamed(act.target)
            await (self._cancel_before(act.target) if unnamed is None else self._cancel_all_in(unnamed.row.session_id))
            return
        life = self._truth.lives[statement_id]
        public_id = life.row.public_id
        named = f"{public_id}_{act.part}" if act.part else public_id
        self._truth.asked.add(statement_id)
        started, trouble = self._world.loop.time(), self._truth.trouble.until(self._world.loop.time())
        answer = await self._call("cancel", lambda s: s.cancel(ALICE, WORKSPACE, life.row.session_id, named))
        if isinstance(answer, NotStopped):
            seconds = self._world.loop.time() - started
            self._truth.told_not_stopped(statement_id, seconds, trouble, self._world.settings.cancel_timeout)
        elif not isinstance(answer, Exception):
            self._truth.told_cancelled(statement_id, answer, act.part)

    async def _cancel_before(self, program: int) -> None:
        """Cancel what will be submitted later; without an id of the client's own it is an unknown one."""
        act = next(one for one in self._world.scenario.acts if isinstance(one, Submit) and one.runs == program)
        session_id = self.session_ids.get(act.session)
        if not act.chosen or session_id is None:
            await self._cancel_unknown()
            return
        public_id = chosen_id(program)
        self._truth.asked.add(public_id)
        answer = await self._call(
            "cancel", lambda s: s.cancel(ALICE, WORKSPACE, session_id, public_id, before_submit=True)
        )
        if isinstance(answer, CancelReport) and answer.outcome is CancelOutcome.TOMBSTONED:
            self._truth.told_entombed(public_id)
        elif isinstance(answer, CancelReport):
            self._truth.told_cancelled(self._truth.ids[program], answer, 0)

    async def _cancel_many(self, act: CancelMany) -> None:
        found = self._truth.covered(lambda life: tag_of(life.program) == act.tag)
        if not act.dry:
            self._truth.asked.add(act.tag)
        where = CancelFilter(tags=(act.tag,))
        answer = await self._call(
            "cancel many", lambda s: s.cancel_statements(ALICE, WORKSPACE, where, dry_run=act.dry)
        )
        if not isinstance(answer, Exception) and not act.dry:
            self._truth.told_all_cancelled(found)

    async def _cancel_unknown(self) -> None:
        session_id = next(iter(self.session_ids.values()), "nowhere")
        answer = await self._call("cancel", lambda s: s.cancel(ALICE, WORKSPACE, session_id, "id-9999"))
        if not isinstance(answer, RequestError | ConnectionError):
            self._truth.wrong("C8", f"the cancel of an unknown statement is answered {answer}")

    async def _show(self, act: ShowResult) -> None:
        statement_id = self._truth.ids.get(act.target)
        if statement_id is None:
            return
        life = self._truth.lives[statement_id]
        vanished = life.vanished
        answer = await self._call(
            "show",
            lambda s: s.show_result(
                ALICE, WORKSPACE, life.row.session_id, life.row.public_id, page_num=act.page, locate=False
            ),
        )
        if not isinstance(answer, Exception):
            self._truth.told_result(answer, act.page, PAGE_ROWS)
        elif isinstance(answer, NotFound) and not (vanished or life.vanished):
            self._truth.wrong("C8", f"{statement_id} is not found")
