"""Open a session with the official SDK, read a result page by page, cancel a statement.

Install the SDK and create an access key, then run the example:

    .venv/bin/python -m venv .venv-sdk
    .venv-sdk/bin/pip install huaweicloudsdkaidatalake python-dateutil
    .venv/bin/treadle user create --project demo --name sdk --role developer
    (umask 077; .venv/bin/treadle credential create --project demo --user sdk --json >treadle-data/key.json)
    .venv-sdk/bin/python examples/sdk.py treadle-data/demo.json treadle-data/key.json
"""

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from huaweicloudsdkaidatalake.v2 import (
    AIDataLakeClient,
    CancelAuraSqlStatementRequest,
    CatalogContext,
    CloseAuraSqlSessionRequest,
    CreateAuraSqlSessionRequest,
    CreateSessionRequestBodyV2,
    ExecuteAuraSqlStatementRequest,
    ShowAuraSqlStatementResultRequest,
    StatementExecuteRequestBody,
)
from huaweicloudsdkcore.auth.credentials import BasicCredentials

ORDERS = "SELECT o_orderkey, o_totalprice FROM orders ORDER BY o_orderkey LIMIT 2500"
HEAVY = "SELECT count(*) FROM range(10000000) a(i), range(10000000) b(j) WHERE (i * j) % 7 = 3"
ENDPOINT = "demo"


class Session:
    """A session on the endpoint of the demo, and the calls this example makes in it."""

    def __init__(self, client: Any, workspace_id: str) -> None:
        self._client = client
        body = CreateSessionRequestBodyV2(
            endpoint_name=ENDPOINT, catalog_context=CatalogContext(catalog_name="default")
        )
        opened = client.create_aura_sql_session(CreateAuraSqlSessionRequest(workspace_id=workspace_id, body=body))
        self._place = {"workspace_id": workspace_id, "session_id": opened.session_id}

    def execute(self, sql: str, *, is_sync: bool = True) -> dict[str, Any]:
        """Submit a statement."""
        body = StatementExecuteRequestBody(session_id=self._place["session_id"], statement=sql, is_sync=is_sync)
        request = ExecuteAuraSqlStatementRequest(workspace_id=self._place["workspace_id"], body=body)
        # The SDK declares the answer as text: its fields are in `to_json_object()`, not attributes.
        answer: dict[str, Any] = self._client.execute_aura_sql_statement(request).to_json_object()
        return answer

    def show(self, statement_id: str, page_num: int = 1) -> dict[str, Any]:
        """The state of a statement and a page of its result."""
        request = ShowAuraSqlStatementResultRequest(**self._place, statement_id=statement_id, page_num=page_num)
        answer: dict[str, Any] = self._client.show_aura_sql_statement_result(request).to_json_object()
        return answer

    def rows(self, sql: str) -> Iterator[list[str | None]]:
        """The rows of a query, one page after the other."""
        answer = self.execute(sql)
        yield from answer["results"][0]["result_set"]["rows"]
        for page_num in range(2, answer["results"][0]["page_count"] + 1):
            yield from self.show(answer["statement_id"], page_num)["results"][0]["result_set"]["rows"]

    def cancel(self, statement_id: str) -> None:
        """Cancel a statement; when this returns, it has stopped."""
        self._client.cancel_aura_sql_statement(CancelAuraSqlStatementRequest(**self._place, statement_id=statement_id))

    def close(self) -> None:
        """Close the session."""
        self._client.close_aura_sql_session(CloseAuraSqlSessionRequest(**self._place))


def main() -> None:
    """Run the example against the service that the demo file names."""
    parser = argparse.ArgumentParser(description="Read a result and cancel a statement with the official SDK.")
    parser.add_argument("demo", type=Path, help="the file written by scripts/run: treadle-data/demo.json")
    parser.add_argument("key", type=Path, help="the output of `treadle credential create --json`")
    arguments = parser.parse_args()
    demo, key = json.loads(arguments.demo.read_text()), json.loads(arguments.key.read_text())
    credentials = BasicCredentials(key["access"], key["secret"])
    client = AIDataLakeClient.new_builder().with_credentials(credentials).with_endpoints([demo["url"]]).build()
    session = Session(client, demo["workspace_id"])
    try:
        print(f"{sum(1 for _ in session.rows(ORDERS))} rows")
        statement_id = session.execute(HEAVY, is_sync=False)["statement_id"]
        while session.show(statement_id)["status"] != 1:
            time.sleep(0.05)
        print("running")
        session.cancel(statement_id)
        print(session.show(statement_id)["results"][0]["message"])
    finally:
        session.close()


if __name__ == "__main__":
    main()
