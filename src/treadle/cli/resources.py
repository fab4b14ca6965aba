"""Commands that create, list and delete workspaces, endpoints and catalogs."""

import click

from treadle.api import bodies
from treadle.api.reading import read
from treadle.app import operator
from treadle.cli.common import Options, Refused, command, run_async, stopping
from treadle.cli.listing import table
from treadle.cli.names import check_new
from treadle.model.entities import Catalog, Endpoint, Principal, Workspace
from treadle.service import Service
from treadle.service.views import NewEndpoint, NewWorkspace
from treadle.store.filters import EndpointFilter, Page, WorkspaceFilter

EVERYTHING = Page(limit=1_000_000)


@click.group()
def workspace() -> None:
    """Workspaces."""


@click.group()
def endpoint() -> None:
    """Endpoints of a workspace."""


@click.group()
def catalog() -> None:
    """Catalogs of a workspace."""


async def principal_of(service: Service, workspace_id: str, user: str = "operator") -> tuple[Principal, Workspace]:
    """The operator as a user of the workspace's own project; raises `Refused`."""
    found = await service.deps.store.workspace(workspace_id, None)
    if found is None:
        raise Refused(f"no such workspace: {workspace_id}")
    principal = Principal(project_id=found.project_id, project_name="", user_id="", user_name=user)
    return principal, found


async def require_workspace(service: Service, workspace_id: str | None) -> None:
    """Raise `Refused` for a workspace that is named and is not there: its lists are not empty, they are wrong."""
    if workspace_id is not None:
        await principal_of(service, workspace_id)


# -- workspaces -----------------------------------------------------------------------------


@command("create", workspace)
@click.option("--project", required=True, help="Project, made if there is none of that name.")
@click.option("--description", default="", help="What it is for.")
@click.argument("name")
def create_workspace(options: Options, project: str, description: str, name: str) -> None:
    """Make a workspace with its catalog `default`."""
    read({"name": name, "description": description}, bodies.CreateWorkspace)

    async def work() -> Workspace:
        async with operator(options.settings, create=True) as service:
            await check_new(service, project=project)
            deps = service.deps
            user = await deps.store.ensure_user(project, "operator", deps.new_id(), deps.new_id())
            return await service.create_workspace(user, NewWorkspace(name=name, description=description))

    options.show(run_async(work()), lambda made: made.id)


@command("list", workspace)
def list_workspaces(options: Options) -> None:
    """List every workspace."""

    async def work() -> list[Workspace]:
        async with operator(options.settings) as service:
            _, found = await service.deps.store.workspaces(None, WorkspaceFilter(), EVERYTHING)
            return list(found)

    options.show(
        run_async(work()),
        lambda found: table(("WORKSPACE", "NAME", "PROJECT"), ((w.id, w.name, w.project_id) for w in found)),
    )


@command("delete", workspace)
@click.argument("workspace_id")
def delete_workspace(options: Options, workspace_id: str) -> None:
    """Delete a workspace without endpoints, its catalogs and files included."""

    async def work() -> None:
        async with operator(options.settings) as service:
            principal, _ = await principal_of(service, workspace_id)
            await service.delete_workspace(principal, workspace_id)

    run_async(work())


# -- endpoints ------------------------------------------------------------------------------


@command("create", endpoint)
@click.option("--workspace", "workspace_id", required=True, help="Id of the workspace.")
@click.option("--engine", default="duckdb", show_default=True)
@click.option("--max-sessions", type=click.IntRange(min=1), help="Sessions that run at once.")
@click.option("--max-statements", type=click.IntRange(min=1), help="Statements that run at once.")
@click.argument("name")
def create_endpoint(
    options: Options,
    workspace_id: str,
    engine: str,
    max_sessions: int | None,
    max_statements: int | None,
    name: str,
) -> None:
    """Make a SQL endpoint."""
    read({"name": name, "type": "sql"}, bodies.CreateEndpoint)
    new = NewEndpoint(name=name, engine=engine, max_sessions=max_sessions, max_statements=max_statements)

    async def work() -> Endpoint:
        async with operator(options.settings) as service:
            principal, _ = await principal_of(service, workspace_id)
            return await service.create_endpoint(principal, workspace_id, new)

    options.show(run_async(work()), lambda made: made.id)


@command("list", endpoint)
@click.option("--workspace", "workspace_id", required=True, help="Id of the workspace.")
def list_endpoints(options: Options, workspace_id: str) -> None:
    """List the endpoints of a workspace."""

    async def work() -> list[Endpoint]:
        async with operator(options.settings) as service:
            await principal_of(service, workspace_id)
            _, found = await service.deps.store.endpoints(workspace_id, EndpointFilter(), EVERYTHING)
            return list(found)

    options.show(
        run_async(work()),
        lambda found: table(
            ("ENDPOINT", "NAME", "ENGINE", "STATUS"), ((e.id, e.name, e.engine, e.status) for e in found)
        ),
    )


@command("delete", endpoint)
@click.option("--workspace", "workspace_id", required=True, help="Id of the workspace.")
@click.argument("endpoint_id")
def delete_endpoint(options: Options, workspace_id: str, endpoint_id: str) -> None:
    """Delete an endpoint; its sessions are closed and what runs on it is stopped."""

    async def work() -> None:
        async with stopping(options.settings) as service:
            principal, _ = await principal_of(service, workspace_id)
            await service.delete_endpoint(principal, workspace_id, endpoint_id)

    run_async(work())


# -- catalogs -------------------------------------------------------------------------------


@command("create", catalog)
@click.option("--workspace", "workspace_id", required=True, help="Id of the workspace.")
@click.option("--instance", "instance_id", default="default", show_default=True, help="Metastore instance.")
@click.argument("name")
def create_catalog(options: Options, workspace_id: str, instance_id: str, name: str) -> None:
    """Make a catalog."""

    async def work() -> Catalog:
        async with operator(options.settings) as service:
            principal, _ = await principal_of(service, workspace_id)
            return await service.create_catalog(principal, workspace_id, instance_id, name)

    options.show(_shown(run_async(work())), lambda made: made["id"])


@command("list", catalog)
@click.option("--workspace", "workspace_id", required=True, help="Id of the workspace.")
def list_catalogs(options: Options, workspace_id: str) -> None:
    """List the catalogs of a workspace."""

    async def work() -> list[Catalog]:
        async with operator(options.settings) as service:
            principal, _ = await principal_of(service, workspace_id)
            return list(await service.list_catalogs(principal, workspace_id))

    found = [_shown(one) for one in run_async(work())]
    options.show(
        found,
        lambda all: table(
            ("METASTORE", "NAME", "DATABASE"), ((c["instance_id"], c["name"], c["database"]) for c in all)
        ),
    )


@command("delete", catalog)
@click.option("--workspace", "workspace_id", required=True, help="Id of the workspace.")
@click.option("--instance", "instance_id", default="default", show_default=True, help="Metastore instance.")
@click.argument("name")
def delete_catalog(options: Options, workspace_id: str, instance_id: str, name: str) -> None:
    """Delete a catalog and everything in it."""

    async def work() -> None:
        async with operator(options.settings) as service:
            principal, _ = await principal_of(service, workspace_id)
            await service.delete_catalog(principal, workspace_id, instance_id, name)

    run_async(work())


def _shown(one: Catalog) -> dict[str, str]:
    """A catalog without its password."""
    return {
        "id": one.id,
        "workspace_id": one.workspace_id,
        "instance_id": one.instance_id,
        "name": one.name,
        "database": one.database,
        "data_path": one.data_path,
    }


COMMANDS = (workspace, endpoint)
