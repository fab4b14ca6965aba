"""Make the demo workspace of a running service ready and say how to call it: what `scripts/run` does."""

import argparse
import sys
from pathlib import Path

from treadle.demo.client import ApiError, StatementFailed
from treadle.demo.interrupt import interruptible
from treadle.demo.local import ServiceFailed, make_token
from treadle.demo.tables import GenerationFailed
from treadle.demo.workspace import instructions, prepare, save, saved_token


def main() -> None:
    """Prepare, save, print; one line and exit code 1 when the service or the data say no, 130 at Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m treadle.demo", description=__doc__)
    parser.add_argument("--url", required=True, help="where the service answers")
    parser.add_argument("--data-dir", required=True, type=Path, help="the service's data folder")
    parser.add_argument("--scale", type=float, default=1.0, help="TPC-H scale factor")
    given = parser.parse_args()
    with interruptible("demo: interrupted"):
        try:
            _make_ready(given.url, given.data_dir, given.scale)
        except (ApiError, StatementFailed, GenerationFailed, ServiceFailed, OSError) as failed:
            sys.exit(f"demo: {failed}")


def _make_ready(url: str, data_dir: Path, scale: float) -> None:
    token = saved_token(url, data_dir) or make_token(data_dir)
    demo = prepare(url, token, data_dir, scale, lambda line: print(line, flush=True))
    save(demo, data_dir)
    print(instructions(demo, data_dir), flush=True)


if __name__ == "__main__":
    main()
