"""The loss of the private PostgreSQL while the service runs."""

import os
import signal

import httpx
import pytest

from tests.service.caller import calling
from tests.support.world import until


@pytest.mark.slow
def test_the_service_survives_the_death_of_its_postgres(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Kill -9 of the postmaster: 503 until it is back by itself, what ran has a truthful record, writes stay."""
    with calling(tmp_path_factory.mktemp("loss") / "data") as caller:
        sql = caller.session()
        sql.run("CREATE TABLE kept AS SELECT 1 AS x")
        running = sql.start("SELECT sum(i % 1009 * 7 % 17) FROM range(1000000000000) t(i)")
        until(lambda: sql.show(running)["status"] == 1, "the statement runs")
        seen: list[httpx.Response] = []
        pid_file = caller.service.data_dir / "postgres" / "postmaster.pid"

        killed: list[str] = []

        def postmaster() -> str:
            lines = pid_file.read_text().splitlines() if pid_file.exists() else []
            return lines[0] if lines else ""

        def kill() -> None:
            killed.append(postmaster())
            os.kill(int(killed[-1]), signal.SIGKILL)

        def back() -> bool:
            seen.append(caller.http.get(f"{caller.base}/sessions"))
            fresh = seen[-1].status_code == 200 and postmaster() not in ("", *killed)
            return fresh and caller.http.get("/readyz").status_code == 200

        kill()
        until(back, "the service answers again", timeout=60)
        assert {answer.status_code for answer in seen} <= {200, 503}
        assert all(answer.json()["error_code"] == "common.00000503" for answer in seen if answer.status_code == 503)
        if sql.show(running)["status"] == 1:
            sql.cancel(running)
        shown = sql.wait(running)
        record = caller.record(running)
        assert (record["status"], record["effects"]) in {("CANCELED", "none"), ("FAILED", "none"), ("ERROR", "none")}
        assert shown["status"] in (-1, 4)
        with caller.session() as fresh:
            assert fresh.rows("FROM kept") == [["1"]]
            assert fresh.run("INSERT INTO kept VALUES (2)") == "INSERT 0 1"
        # The second one is the service's own child, which it has to bury before a third can start.
        kill()
        until(back, "the service answers once more", timeout=60)
        with caller.session() as fresh:
            assert fresh.rows("SELECT count(*) FROM kept") == [["2"]]
