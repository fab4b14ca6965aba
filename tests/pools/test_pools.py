"""The pools that the service has, in its figures and in the documentation."""

from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from treadle.config import Settings
from treadle.metrics import Metrics
from treadle.pools.pools import Pools

NAMES = {"pages", "intake", "readers", "stops", "files", "digests", "passwords"}
OPERATIONS = Path(__file__).parents[2] / "docs" / "operations.md"


def test_every_pool_is_shown_before_its_first_job() -> None:
    """A scrape of an idle service has each pool with 0 jobs in both states, and none that waited."""
    figures = Metrics()
    Pools(Settings(), figures)
    families = {one.name: one for one in text_string_to_metric_families(figures.render()[1].decode())}
    jobs = {(one.labels["pool"], one.labels["state"]): one.value for one in families["treadle_pool_jobs"].samples}
    assert jobs == {(name, state): 0.0 for name in NAMES for state in ("waiting", "running")}
    waits = families["treadle_pool_wait_seconds"].samples
    assert {one.labels["pool"]: one.value for one in waits if one.name.endswith("_count")} == dict.fromkeys(NAMES, 0.0)


def test_every_pool_is_documented() -> None:
    """The row of the metric names each of them."""
    (row,) = [line for line in OPERATIONS.read_text().splitlines() if line.startswith("| `treadle_pool_jobs`")]
    assert [name for name in NAMES if f"`{name}`" not in row] == []
