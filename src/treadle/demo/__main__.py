"""Make the demo workspace of a running service ready and say how to call it: what `scripts/run` does."""

import argparse
import sys
from pathlib import Path

from treadle.demo.client import ApiError, StatementFailed
from treadle.demo.local import ServiceFailed, make_token
from treadle.demo.tables import GenerationFailed
from treadle.demo.workspace import instructions, prepare, save, saved_token


def main() -> None:
    """Prepare, save, print; exit with 1 and one line when the service or the data say no."""
    parser = argparse.ArgumentParser(prog="python -m treadle.demo", description=__doc__)
    parser.add_argument("--url", required=True, help="where the service answers")
    parser.add_argument("--data-dir", required=True, type=Path, help="the service's data folder")
    parser.add_argument("--scale", type=float, default=1.0, help="TPC-H scale factor")
    given = parser.parse_args()
    try:
        token = saved_token(given.url, given.data_dir) or make_token(given.data_dir)
        demo = prepare(given.url, token, given.data_dir, given.scale, lambda line: print(line, flush=True))
    except (ApiError, StatementFailed, GenerationFailed, ServiceFailed, OSError) as failed:
        sys.exit(f"demo: {failed}")
    save(demo, given.data_dir)
    print(instructions(demo, given.data_dir), flush=True)


if __name__ == "__main__":
    main()
