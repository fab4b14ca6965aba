import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

from treadle.config import Settings

ROOT = Path(__file__).parents[2]


def test_the_page_of_settings_is_up_to_date() -> None:
    """docs/configuration.md says what config.py says."""
    done = subprocess.run(
        [sys.executable, "scripts/docs.py", "--check"],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": "src"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_every_setting_is_described() -> None:
    """No setting goes without a sentence in the page."""
    page = (ROOT / "docs" / "configuration.md").read_text()
    assert [
        name for name, field in Settings.model_fields.items() if f"| `{name}` |" not in page or not field.description
    ] == []


def test_no_share_is_taken_for_seconds() -> None:
    """The kind of a number with a fraction is that of its unit."""
    page = (ROOT / "docs" / "configuration.md").read_text()
    assert "| `maintenance_deleted_share` | share | `0.25` |" in page
    assert "| `cancel_grace` | seconds | `2` |" in page


def test_the_clauses_of_the_contract_are_numbered() -> None:
    """docs/cancel.md has C1 to C20, once each and in order; the source and the simulation refer to no other."""
    clauses = re.findall(r"^\| (C\d+) \|", (ROOT / "docs" / "cancel.md").read_text(), re.MULTILINE)
    assert clauses == [f"C{number}" for number in range(1, 21)]
    texts = [path.read_text() for path in (ROOT / "src").rglob("*.py")] + [(ROOT / "docs/simulation.md").read_text()]
    named = {name for text in texts for name in re.findall(r"\bC\d{1,2}[a-z]?\b(?=[,):. ])", text)}
    assert named - set(clauses) == set()
    assert len(named) > 10


def test_every_runtime_dependency_has_its_reason() -> None:
    """docs/dependencies.md names each dependency of the package."""
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    names = [line.split(">")[0].split("=")[0].split("[")[0] for line in wanted]
    page = (ROOT / "docs" / "dependencies.md").read_text()
    assert [name for name in names if f"`{name}`" not in page] == []


def test_the_changelog_knows_this_version() -> None:
    """The version of the package has a section in the changelog."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert f"## [{version}]" in (ROOT / "CHANGELOG.md").read_text()
