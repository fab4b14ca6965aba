import re
import subprocess
from pathlib import Path

import pytest

from tests.frame.conftest import Running

ROOT = Path(__file__).parents[2]
README, TWIN = ROOT / "README.md", ROOT / "README.zh.md"


def commands(page: Path) -> list[str]:
    """The shell blocks of the first session, as they are written."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)
    return [block for block in blocks if "scripts/run" not in block]


def fenced(page: Path) -> list[str]:
    """All blocks of code of the page, with their languages."""
    return re.findall(r"^```\w*\n.*?^```$", page.read_text(), re.MULTILINE | re.DOTALL)


def links(page: Path) -> list[str]:
    """The relative links of the page."""
    return [target for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()) if "://" not in target]


@pytest.mark.slow
def test_the_first_session_runs_word_for_word(running: Running) -> None:
    """The commands of the README, pasted into a shell, open, ask, cancel, list and close."""
    script = "set -euo pipefail\n" + "\n".join(commands(README))
    done = subprocess.run(
        ["bash", "-c", script], cwd=running.service.data_dir.parent, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    headers = {
        line.split(":")[0].lower(): line.split(":")[1].strip() for line in done.stdout.splitlines() if ": " in line
    }
    assert headers["x-statement-state"] == "CANCELED"
    assert headers["x-cancel-outcome"] == "cancelled"
    assert headers["x-cancel-rung"] == "interrupted"
    assert '"l_returnflag"' in done.stdout
    assert '"num_rows":1003,"row_count":3,"page_no":2,"page_count":2' in done.stdout


def test_both_readmes_have_the_same_commands() -> None:
    """The Chinese twin says the same in its own words, with the very same commands, programs and outputs."""
    assert commands(README) == commands(TWIN)
    assert len(commands(README)) >= 5
    assert fenced(README) == fenced(TWIN)


def test_the_chinese_page_is_punctuated_in_chinese() -> None:
    """A line of Chinese has no half-width punctuation outside of code, links and numbers."""
    prose = re.sub(
        r"^```.*?^```$|`[^`\n]*`|\]\([^)\n]*\)|<http[^>]*>|(?<=\d),(?=\d)", "", TWIN.read_text(), flags=re.M | re.S
    )
    lines = [line for line in prose.splitlines() if re.search(r"[\u4e00-\u9fff]", line)]
    assert [line for line in lines if re.search(r"[,;:?!()]", line)] == []


@pytest.mark.parametrize(
    "page", [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))], ids=lambda page: page.name
)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    """Every relative link of a page names a file that exists."""
    assert [target for target in links(page) if not (page.parent / target).exists()] == []
