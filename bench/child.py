"""The command line of a child process that runs a module of this checkout, which is not an installed package."""

from pathlib import Path

from treadle import interpreter


def command(module: str) -> list[str]:
    """Build the command that runs a module of the bench or the tests; further arguments may follow.

    The child imports nothing from the current folder.
    """
    root = str(Path(__file__).parents[1])
    code = f"import runpy, sys; sys.path.append({root!r}); runpy.run_module({module!r}, run_name='__main__')"
    return interpreter.command("c", code)
