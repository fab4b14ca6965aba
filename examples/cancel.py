"""Open a session, start a statement that would run for hours, cancel it. Only the standard library.

Usage: .venv/bin/python examples/cancel.py treadle-data/demo.json
"""

import argparse
import json
import time
from http.client import HTTPMessage
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

HEAVY = "SELECT count(*) FROM range(10000000) a(i), range(10000000) b(j) WHERE (i * j) % 7 = 3"


class Service:
    """The calls this example makes, in the workspace of the demo file."""

    def __init__(self, demo: dict[str, str]) -> None:
        self._base = f"{demo['url']}/v1/workspaces/{demo['workspace_id']}"
        self._headers = {"X-Auth-Token": demo["token"], "Content-Type": "application/json"}

    def call(self, method: str, path: str, body: object = None) -> tuple[Any, HTTPMessage]:
        """The JSON of the answer (None when it is empty) and its headers; raises `urllib.error.HTTPError`."""
        data = None if body is None else json.dumps(body).encode()
        with urlopen(Request(self._base + path, data, self._headers, method=method)) as answer:
            text = answer.read()
            return (json.loads(text) if text else None), answer.headers


def main() -> None:
    """Run the example against the service the demo file names."""
    parser = argparse.ArgumentParser(description="Open a session, start an endless statement, cancel it.")
    parser.add_argument("demo", type=Path, help="the file written by scripts/run: treadle-data/demo.json")
    demo = json.loads(parser.parse_args().demo.read_text())
    service = Service(demo)
    lake = {"instance_id": "default", "catalog": "default"}
    opened, _ = service.call("POST", "/sessions", {"endpoint_id": demo["endpoint_id"], "lake_formation_config": lake})
    session = opened["session_id"]
    try:
        submitted, _ = service.call(
            "POST", "/sessions/statements", {"session_id": session, "statement": HEAVY, "is_sync": False}
        )
        statement = f"/sessions/{session}/statements/{submitted['statement_id']}"
        while service.call("GET", statement)[0]["status"] != 1:
            time.sleep(0.05)
        print("running")
        _, verdict = service.call("POST", f"{statement}/cancel", {})
        print(f"{verdict['X-Cancel-Outcome']} by {verdict['X-Cancel-Rung']} after {verdict['X-Cancel-Millis']} ms")
    finally:
        service.call("DELETE", f"/sessions/{session}")


if __name__ == "__main__":
    main()
