"""The endpoints of a workspace: where its sessions run, on which engine, within which limits."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from treadle.config import BUILT_IN_ENGINE
from treadle.model.access import Action
from treadle.model.entities import Endpoint, EndpointStatus, Principal
from treadle.model.errors import BadRequest, NotApplicable
from treadle.model.grants import grants_of
from treadle.model.states import Reason, SessionStatus
from treadle.service.attempt import Attempt, in_time, not_recorded
from treadle.service.closing import Closing
from treadle.service.deps import ENDPOINT, EVERYTHING, missing, slice_of
from treadle.service.views import Dpu, EndpointChange, NewEndpoint
from treadle.store.errors import DuplicateName
from treadle.store.filters import EndpointFilter, Page, SessionFilter
from treadle.store.retrying import until_gone

MICROSECOND: Final = timedelta(microseconds=1)


class _Config(msgspec.Struct, frozen=True, kw_only=True):
    """What the service understands of an endpoint's ``config``; checked where it came in."""

    engine: str = BUILT_IN_ENGINE
    max_sessions: int | None = None
    max_statements: int | None = None
    paused: bool = False


class Endpoints(Closing):
    """The verbs of endpoints."""

    async def create_endpoint(self, p: Principal, workspace_id: str, new: NewEndpoint) -> Endpoint:
        """Make an endpoint; raises `BadRequest` for a name in use or an engine there is not."""
        self.allow(p, Action.CREATE_ENDPOINT, workspace_id)
        await self.own_workspace(p, workspace_id)
        deps = self.deps
        now = deps.clock.now()
        said = {"max_sessions": new.max_sessions, "max_statements": new.max_statements}
        config = {name: value for name, value in said.items() if value is not None} | new.config
        if new.engine != BUILT_IN_ENGINE:
            config["engine"] = new.engine
        endpoint = Endpoint(
            id=deps.new_id(),
            workspace_id=workspace_id,
            name=new.name,
            type=new.type,
            description=new.description,
            created_at=now,
            updated_at=now,
            owner_user_id=p.user_id,
            owner_user_name=p.user_name,
            **self._limits(config, new.dpu),
        )
        try:
            if not await deps.store.add_endpoint(endpoint):
                raise _taken(new.name)
            await self.audited(p, Action.CREATE_ENDPOINT, workspace_id, f"endpoint:{endpoint.id}", endpoint.name)
        except BadRequest:
            raise
        except BaseException:
            # Otherwise the name would be taken when the caller retries.
            deps.carry_on(self._unmake_endpoint(endpoint))
            raise
        return endpoint

    async def _unmake_endpoint(self, endpoint: Endpoint) -> None:
        """Remove an endpoint whose creation failed."""
        drop = partial(self.deps.store.drop_endpoint, endpoint.workspace_id, endpoint.id)
        await until_gone(self.deps.clock, drop)

    async def list_endpoints(
        self,
        p: Principal,
        workspace_id: str,
        *,
        name: str | None,
        endpoint_id: str | None,
        type: str | None,
        limit: int,
        offset: int,
        public: bool | None = None,
    ) -> tuple[int, Sequence[Endpoint]]:
        """The endpoints of a workspace that the caller may see, newest first; none is public."""
        reach = self.allow_within(p, Action.LIST_ENDPOINTS, workspace_id)
        await self.own_workspace(p, workspace_id)
        if public:
            return 0, ()
        where = EndpointFilter(endpoint_id=endpoint_id, name=name, type=type)
        page = Page(limit=limit, offset=offset)
        if reach is None:
            return await self.deps.store.endpoints(workspace_id, where, page)
        grants = grants_of(p.policies)
        _, found = await self.deps.store.endpoints(workspace_id, where, EVERYTHING)
        return slice_of([one for one in found if grants.allows(Action.LIST_ENDPOINTS, workspace_id, one.id)], page)

    async def show_endpoint(self, p: Principal, workspace_id: str, endpoint_id: str) -> Endpoint:
        """One endpoint; raises `NotFound`."""
        self.allow(p, Action.SHOW_ENDPOINT, workspace_id, endpoint_id)
        await self.own_workspace(p, workspace_id)
        return await self._endpoint(workspace_id, endpoint_id)

    async def update_endpoint(
        self, p: Principal, workspace_id: str, endpoint_id: str, change: EndpointChange
    ) -> Endpoint:
        """Change what is given; new limits hold for what starts next. Raises `BadRequest` for a name in use."""
        self.allow(p, Action.UPDATE_ENDPOINT, workspace_id, endpoint_id)
        await self.own_workspace(p, workspace_id)
        try:
            changed = await self._change(workspace_id, endpoint_id, lambda endpoint: self._changed(endpoint, change))
        except DuplicateName:
            raise _taken(change.name or "") from None
        await self.audited(p, Action.UPDATE_ENDPOINT, workspace_id, f"endpoint:{endpoint_id}", changed.name)
        return changed

    async def delete_endpoint(self, p: Principal, workspace_id: str, endpoint_id: str) -> None:
        """Delete an endpoint: no session comes any more, those there are closed, and what runs on it is stopped."""
        self.allow(p, Action.DELETE_ENDPOINT, workspace_id, endpoint_id)
        seconds = self.deps.settings.cancel_timeout
        late = partial(not_recorded, f"the deletion of endpoint {endpoint_id}", seconds)
        async with in_time(seconds, late) as attempt:
            await self.own_workspace(p, workspace_id)
            await self._change(workspace_id, endpoint_id, lambda one: replace(one, status=EndpointStatus.DELETING))
            for status in (SessionStatus.CREATING, SessionStatus.WAITING, SessionStatus.RUNNING):
                where = SessionFilter(endpoint_id=endpoint_id, status=status)
                await self._close_sessions(attempt, p, workspace_id, where)
            attempt.late = late
            dropped = await self.deps.store.drop_endpoint(workspace_id, endpoint_id)
            if not dropped and await self.deps.store.endpoint(workspace_id, endpoint_id) is not None:
                raise NotApplicable("the endpoint still has sessions", field="endpoint_id")
        if dropped:
            await self.audited(p, Action.DELETE_ENDPOINT, workspace_id, f"endpoint:{endpoint_id}")

    async def _close_sessions(self, attempt: Attempt, p: Principal, workspace_id: str, where: SessionFilter) -> None:
        while True:
            _, sessions = await self.deps.store.sessions(workspace_id, where, Page(limit=100))
            if not sessions:
                return
            await self.end_sessions(attempt, sessions, p.user_name, Reason.USER)

    async def _endpoint(self, workspace_id: str, endpoint_id: str) -> Endpoint:
        endpoint = await self.deps.store.endpoint(workspace_id, endpoint_id)
        if endpoint is None:
            raise missing(ENDPOINT)
        return endpoint

    async def _change(self, workspace_id: str, endpoint_id: str, make: Callable[[Endpoint], Endpoint]) -> Endpoint:
        """Write what ``make`` makes of the endpoint, from anew when somebody else has changed it meanwhile."""
        while True:
            endpoint = await self._endpoint(workspace_id, endpoint_id)
            now = max(self.deps.clock.now(), endpoint.updated_at + MICROSECOND)
            changed = replace(make(endpoint), updated_at=now)
            if await self.deps.store.change_endpoint(changed, endpoint.updated_at):
                return changed

    def _changed(self, endpoint: Endpoint, change: EndpointChange) -> Endpoint:
        if endpoint.status is EndpointStatus.DELETING:
            raise NotApplicable("the endpoint is being deleted", field="endpoint_id")
        known = endpoint.reserved_resource.get("dpu")
        dpu = change.dpu or (msgspec.convert(known, Dpu) if known is not None else None)
        config = endpoint.config if change.config is None else change.config
        return replace(
            endpoint,
            name=endpoint.name if change.name is None else change.name,
            description=endpoint.description if change.description is None else change.description,
            **self._limits(config, dpu),
        )

    def _limits(self, config: dict[str, object], dpu: Dpu | None) -> dict[str, Any]:
        """What an endpoint with this ``config`` and this reservation is and may do; raises `BadRequest`."""
        settings = self.deps.settings
        wanted = msgspec.convert(config, _Config)
        engines = sorted({BUILT_IN_ENGINE, *settings.engines})
        if wanted.engine not in engines:
            raise NotApplicable(
                f"there is no engine {wanted.engine}; there is {', '.join(engines)}", field="config.engine"
            )
        statements = wanted.max_statements or (dpu.max_num if dpu else None) or settings.endpoint_statements
        limits: dict[str, Any] = {
            "engine": wanted.engine,
            "status": EndpointStatus.INACTIVE if wanted.paused else EndpointStatus.RUNNING,
            "max_sessions": wanted.max_sessions or settings.endpoint_sessions,
            "max_statements": statements,
            "config": config,
        }
        return limits if dpu is None else limits | self._reserved(dpu)

    def _reserved(self, dpu: Dpu) -> dict[str, Any]:
        """What a reservation gives each worker of the endpoint; raises `BadRequest`."""
        specs = self.deps.settings.dpu_specs
        spec = specs.get(dpu.spec_code)
        if spec is None:
            raise NotApplicable(f"must be one of {', '.join(specs)}", field="reserved_resource.dpu.spec_code")
        if dpu.max_num is not None and dpu.warm_up_num > dpu.max_num:
            raise NotApplicable(f"must be at most max_num, {dpu.max_num}", field="reserved_resource.dpu.warm_up_num")
        return {
            "threads": spec.threads,
            "memory": int(spec.memory),
            "warm_up": dpu.warm_up_num,
            "reserved_resource": {"dpu": msgspec.to_builtins(dpu)},
        }


def _taken(name: str) -> NotApplicable:
    return NotApplicable(f"an endpoint named {name} exists already", field="name")
