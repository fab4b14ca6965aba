"""Tokens for the services that tests start, made as `treadle token create` makes them, but in the test's own process.

A command of its own imports the whole service for each token, which is more work than most tests are. The command is
proven by `tests/cli/test_tokens.py`.
"""

import asyncio
import os
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Final
from unittest import mock

from treadle import config
from treadle.app import operator

LIFETIME: Final = timedelta(days=1).total_seconds()


def make_token(
    data_dir: Path, project: str, user: str, settings: Mapping[str, str] | None = None, *, role: str = "operator"
) -> str:
    """A fresh token for a running service; ``settings`` are the service's own."""
    with mock.patch.dict(os.environ, settings or {}):
        loaded = config.load(data_dir=data_dir)

    async def work() -> str:
        async with operator(loaded, create=True) as service:
            made, _ = await service.create_token(project, user, role, LIFETIME)
            return made

    return asyncio.run(work())
