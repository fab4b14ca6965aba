"""Which files a session may touch."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.properties import examples
from treadle.engines.base import EngineError
from treadle.engines.duckdb.paths import Folders


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files with a folder and links in them, a second allowed folder, a data folder within it, and the world."""
    root = tmp_path_factory.mktemp("paths")
    for folder in ("files/sub", "more/data", "world"):
        (root / folder).mkdir(parents=True)
    (root / "files" / "out").symlink_to(root / "world")
    (root / "files" / "in").symlink_to(root / "files" / "sub")
    (root / "files" / "loop").symlink_to(root / "files" / "loop")
    (root / "alias").symlink_to(root / "files")
    return root


@pytest.fixture(scope="module")
def folders(root: Path) -> Folders:
    """The judge of these folders."""
    return Folders(root / "files", (root / "files", root / "more"), (root / "more" / "data",))


@pytest.mark.parametrize(
    "path",
    [
        "a.csv",
        "sub/a.csv",
        "./sub/../a.csv",
        "no/such/folder/a.csv",
        "in/a.csv",
        "{root}/files/a.csv",
        "{root}/more/a.csv",
        "{root}/alias/a.csv",
        "../more/a.csv",
        "*.csv",
        "sub/**/x[0-9]?.parquet",
        "{root}/files/*/a.csv",
        "..a.csv",
    ],
)
def test_path_below_a_folder_is_readable(folders: Folders, root: Path, path: str) -> None:
    """A path that really lies below an allowed folder may be read, also as a pattern and through links."""
    folders.readable(path.format(root=root))


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "/etc/passwd",
        "../world/a.csv",
        "sub/../../world/a.csv",
        "out/a.csv",
        "in/../../out/a.csv",
        "loop/../../world/a.csv",
        "{root}/filesystem/a.csv",
        "{root}/files/../world/a.csv",
        "{root}/more/data/a.parquet",
        "{root}/more/x/../data/a.parquet",
        "{root}/more/*/a.parquet",
        "{root}/more/*",
        "{root}/*/a.csv",
        "*/../../world/a.csv",
        "sub/*/../../../world/*",
        "**/../..",
        "~/a.csv",
        "s3://bucket/a.csv",
        "http://host/a.csv",
        "file:a.csv",
        "a\\b.csv",
        "a\0b.csv",
        ".treadle/x/a.csv",
        "sub/../.treadle/a.csv",
        "/dev/stdin",
        "/proc/self/environ",
    ],
)
def test_path_elsewhere_is_denied(folders: Folders, root: Path, path: str) -> None:
    """A path that leads out of the folders, or that another machine would answer, is denied."""
    path = path.format(root=root)
    with pytest.raises(EngineError) as denial:
        folders.readable(path)
    assert denial.value.sql_state == "42501"
    if "*" not in path:
        with pytest.raises(EngineError):
            folders.writable(path)


def test_folder_itself_cannot_be_written(folders: Folders, root: Path) -> None:
    """Output goes below an allowed folder, never in its place."""
    for path in (".", "sub/..", str(root / "more"), "sub/"):
        with pytest.raises(EngineError):
            folders.writable(path)


def test_place_keeps_the_folder_as_it_was_given(root: Path) -> None:
    """The place of an output is real, its folder as configured: the engine compares names."""
    place = Folders(root / "alias", (root / "alias",)).writable("in/a.csv")
    assert place.path == Path(os.path.realpath(root)) / "files" / "sub" / "a.csv"
    assert place.root == root / "alias"


STEPS = st.lists(st.sampled_from(["..", ".", "", "sub", "out", "in", "files", "more", "data", "a.csv"]), max_size=8)


@examples(500)
@given(STEPS, st.booleans())
def test_allowed_path_is_really_below(folders: Folders, root: Path, steps: list[str], absolute: bool) -> None:
    """Whatever way a path takes, it is allowed exactly when it ends below a folder and not in the data."""
    path = "/".join((str(root), *steps) if absolute else steps)
    real = Path(os.path.realpath(root / "files" / path))
    files, more = (os.path.realpath(root / name) for name in ("files", "more"))
    below = real.is_relative_to(files) or real.is_relative_to(more)
    inside = below and not real.is_relative_to(f"{more}/data") and path != ""
    try:
        folders.readable(path)
    except EngineError:
        assert not inside
    else:
        assert inside
