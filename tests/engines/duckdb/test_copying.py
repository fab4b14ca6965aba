"""The output of COPY … TO on its way to its place."""

import os
from pathlib import Path

import pytest

from tests.engines.duckdb.conftest import Judge, Lake
from treadle.engines.base import EngineError
from treadle.engines.duckdb.copy_statement import CopyTarget
from treadle.engines.duckdb.copying import Staged, discard, merges, publish, stage
from treadle.staging import clear, replace


@pytest.fixture
def place(lake: Lake, tmp_path: Path) -> Path:
    """An empty folder of the session's own for one test."""
    folder = lake.files / tmp_path.name
    folder.mkdir()
    return folder


def target(judge: Judge, script: str) -> CopyTarget:
    """Where a COPY writes."""
    [planned] = judge(script)
    assert planned.copy_to is not None
    return planned.copy_to


def run(judge: Judge, lake: Lake, script: str) -> Staged:
    """Run a COPY up to its commit."""
    staged = stage(target(judge, script), "st-1_1")
    lake.connection.execute(staged.sql)
    return staged


def files(folder: Path) -> set[str]:
    """The files below a folder."""
    return {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()}


def test_statement_is_rewritten_only_in_its_target(judge: Judge, lake: Lake) -> None:
    """The staged statement differs from the one given in nothing but its file."""
    script = "COPY (SELECT 'a.csv' AS \"to\", '列' AS x) TO 'a.csv' (FORMAT csv, HEADER)"
    planned = judge(f"SELECT 1; {script} ; SELECT 2")[1]
    assert planned.copy_to is not None
    assert planned.copy_to.staged("/y/it's.csv") == script.replace("TO 'a.csv'", "TO '/y/it''s.csv'")


@pytest.mark.parametrize(
    ("options", "directory"),
    [
        ("", False),
        ("(FORMAT parquet)", False),
        ("(FORMAT csv, PER_THREAD_OUTPUT false)", False),
        ("(FORMAT csv, PER_THREAD_OUTPUT)", True),
        ("(PER_THREAD_OUTPUT 1)", True),
        ("(FORMAT parquet, PARTITION_BY (i, s))", True),
        ('(FORMAT parquet, "Partition_By" i)', True),
        ("(FORMAT parquet, FILE_SIZE_BYTES '1MB')", True),
        ("(FORMAT parquet, ROW_GROUPS_PER_FILE 2)", True),
        ("(FORMAT parquet, KV_METADATA {partition_by: 'x'})", False),
    ],
)
def test_folder_output_is_told_from_a_file(judge: Judge, options: str, directory: bool) -> None:
    """The options say whether a file or a folder of files is written."""
    assert target(judge, f"COPY t TO 'out' {options}").directory is directory


def test_nothing_is_in_place_before_the_commit(judge: Judge, lake: Lake, place: Path) -> None:
    """Until it is published the output is not where it will be; afterwards nothing else is left."""
    staged = run(judge, lake, f"COPY t TO '{place}/a.csv'")
    assert files(place) == set()
    assert staged.staged.is_file()
    publish(staged)
    assert files(place) == {"a.csv"}
    assert not staged.staged.exists()
    assert not staged.folder.exists()


def test_discarded_output_leaves_the_old_file(judge: Judge, lake: Lake, place: Path) -> None:
    """A COPY that is given up leaves what was there before."""
    (place / "a.csv").write_text("old")
    discard(run(judge, lake, f"COPY t TO '{place}/a.csv'"))
    assert (place / "a.csv").read_text() == "old"
    publish(run(judge, lake, f"COPY t TO '{place}/a.csv'"))
    assert (place / "a.csv").read_text() != "old"


def test_leftovers_of_the_same_marker_are_replaced(judge: Judge, lake: Lake, place: Path) -> None:
    """What an earlier attempt left in the staging folder is not published."""
    first = run(judge, lake, f"COPY t TO '{place}/a.csv'")
    (first.folder / "rest").write_text("x")
    publish(run(judge, lake, f"COPY t TO '{place}/a.csv'"))
    assert files(place) == {"a.csv"}


def test_new_folder_appears_whole(judge: Judge, lake: Lake, place: Path) -> None:
    """A folder of files appears in one step, also where an empty folder waits."""
    (place / "empty").mkdir()
    for name in ("new", "empty"):
        publish(run(judge, lake, f"COPY t TO '{place}/{name}' (FORMAT parquet, PARTITION_BY (i))"))
        assert files(place / name) == {"i=1/data_0.parquet", "i=2/data_0.parquet"}


@pytest.mark.parametrize("slashes", ["", "/", "///"])
def test_folder_may_end_with_a_slash(judge: Judge, lake: Lake, place: Path, slashes: str) -> None:
    """A partitioned folder appears whole by either name, and goes to its place in one step unless it has files."""
    script = f"COPY t TO '{place}/parts{slashes}' (FORMAT parquet, PARTITION_BY (i))"
    assert not merges(target(judge, script))
    publish(run(judge, lake, script))
    assert files(place) == {"parts/i=1/data_0.parquet", "parts/i=2/data_0.parquet"}
    again = script.replace("(i))", "(i), APPEND)")
    assert merges(target(judge, again))
    publish(run(judge, lake, again))
    assert len(files(place)) == 4
    read = f"SELECT i, s, count(*) FROM '{place}/parts/**/*.parquet' GROUP BY ALL ORDER BY i"
    assert lake.connection.execute(read).fetchall() == [(1, "a", 2), (2, "b", 2)]


def test_partition_without_rows_is_an_empty_folder(judge: Judge, lake: Lake, place: Path) -> None:
    """A partitioned COPY of no rows is published as well, so that its commit can be seen."""
    staged = run(judge, lake, f"COPY (FROM t WHERE false) TO '{place}/none/' (PARTITION_BY (i))")
    assert staged.staged.is_dir()
    publish(staged)
    assert (place / "none").is_dir()
    assert files(place) == set()


def test_partition_value_is_no_way_out(judge: Judge, lake: Lake, place: Path) -> None:
    """Names and values of partitions are the names of folders, whatever they say."""
    query = "SELECT 1 AS a, '../../..' AS k, 'x/y' AS \"../up\""
    publish(run(judge, lake, f"COPY ({query}) TO '{place}/odd/' (FORMAT csv, PARTITION_BY (k, \"../up\"))"))
    assert {name.split("/")[0] for name in files(place)} == {"odd"}
    assert len(files(place)) == 1


def test_file_may_not_end_with_a_slash(judge: Judge, place: Path) -> None:
    """Without an option that makes a folder the name is a file's."""
    with pytest.raises(EngineError) as refusal:
        judge(f"COPY t TO '{place}/plain/'")
    assert refusal.value.sql_state == "42501"


def test_folder_with_files_needs_an_option(judge: Judge, lake: Lake, place: Path) -> None:
    """A folder with files is refused before anything is written, unless an option says what to do."""
    (place / "d").mkdir()
    (place / "d" / "x").write_text("old")
    with pytest.raises(EngineError) as refusal:
        stage(target(judge, f"COPY t TO '{place}/d' (FORMAT csv, PER_THREAD_OUTPUT)"), "st-1_1")
    assert refusal.value.sql_state == "58P02"
    assert files(place) == {"d/x"}


@pytest.mark.parametrize(("option", "kept"), [("OVERWRITE", False), ("OVERWRITE_OR_IGNORE", True), ("APPEND", True)])
def test_option_says_what_becomes_of_old_files(judge: Judge, lake: Lake, place: Path, option: str, kept: bool) -> None:
    """OVERWRITE replaces the folder, OVERWRITE_OR_IGNORE and APPEND keep its other files."""
    (place / "d" / "i=1").mkdir(parents=True)
    for name in ("x", "i=1/data_0.parquet"):
        (place / "d" / name).write_text("old")
    publish(run(judge, lake, f"COPY t TO '{place}/d' (FORMAT parquet, PARTITION_BY (i), {option})"))
    assert (place / "d" / "x").exists() is kept
    old = place / "d" / "i=1" / "data_0.parquet"
    assert (old.read_bytes() == b"old") is (option == "APPEND")
    assert lake.connection.execute(f"SELECT count(*) FROM '{place}/d/i=2/*.parquet'").fetchone() == (1,)


def test_file_in_the_way_of_a_folder(judge: Judge, lake: Lake, place: Path) -> None:
    """A file where a folder should be is replaced only by OVERWRITE; a folder is never replaced by a file."""
    (place / "d").write_text("old")
    with pytest.raises(EngineError) as refusal:
        stage(target(judge, f"COPY t TO '{place}/d' (FORMAT csv, PER_THREAD_OUTPUT)"), "st-1_1")
    assert refusal.value.sql_state == "58P02"
    publish(run(judge, lake, f"COPY t TO '{place}/d' (FORMAT csv, PER_THREAD_OUTPUT, OVERWRITE)"))
    assert (place / "d").is_dir()
    with pytest.raises(EngineError) as refusal:
        stage(target(judge, f"COPY t TO '{place}/d'"), "st-1_1")
    assert refusal.value.sql_state == "42809"


def test_missing_folder_is_told_at_once(judge: Judge, place: Path) -> None:
    """A COPY into a folder that is not there fails before it runs."""
    with pytest.raises(EngineError) as refusal:
        stage(target(judge, f"COPY t TO '{place}/no/a.csv'"), "st-1_1")
    assert refusal.value.sql_state == "58P01"


def test_folder_comes_back_when_its_successor_cannot_move(place: Path) -> None:
    """When the new folder cannot be moved, the old one is put back."""
    for name in ("d", "aside"):
        (place / name).mkdir()
    (place / "d" / "x").write_text("old")
    with pytest.raises(FileNotFoundError):
        replace(place / "d", place / "nowhere", place / "aside")
    clear(place / "aside")
    assert files(place) == {"d/x"}


def test_a_folder_comes_back_after_a_death_between_the_renames(place: Path) -> None:
    """What was moved aside and never replaced is put back when the staging folder is cleared."""
    for name in ("d", "aside", "aside/new"):
        (place / name).mkdir()
    (place / "d" / "x").write_text("old")
    (place / "aside" / "new" / "y").write_text("new")
    with pytest.MonkeyPatch.context() as patch:
        rename = os.rename

        def die_at_the_second(source: Path, goal: Path) -> None:
            if source == place / "aside" / "new":
                raise KeyboardInterrupt
            rename(source, goal)

        patch.setattr(os, "rename", die_at_the_second)
        with pytest.raises(KeyboardInterrupt):
            replace(place / "d", place / "aside" / "new", place / "aside")
    assert not (place / "d").exists()
    clear(place / "aside")
    assert files(place) == {"d/x"}
