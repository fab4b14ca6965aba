"""Names that an operator gives, and the domain they are unique in. No new name may look like another one."""

import re
import unicodedata
from collections.abc import Callable, Set
from typing import Final

import click

from treadle.cli.terminal import INVISIBLE
from treadle.model.errors import BadRequest
from treadle.model.identity import DEFAULT_DOMAIN
from treadle.service import Service
from treadle.service.accounts import MAX_NAME

_BLANKS: Final = re.compile(r"\A | \Z|  ")
_ALIKE: Final = frozenset({"LATIN", "GREEK", "CYRILLIC", "COPTIC", "ARMENIAN", "CHEROKEE", "LISU", "DESERET"})
"""Alphabets that share the shapes of letters, so that a name has letters of one of them only."""


def domain_option(function: Callable[..., None]) -> Callable[..., None]:
    """Add the option ``--domain`` to a command that names a project or a user."""
    return click.option("--domain", default=DEFAULT_DOMAIN, show_default=True, help="Domain of project and user.")(
        function
    )


def check_name(name: str, field: str) -> None:
    """Raise `BadRequest` for the name of something new that reads like another name."""
    _check_shown(name, field)
    if INVISIBLE.search(name):
        raise BadRequest("must not have characters that cannot be seen", field=field)
    if _BLANKS.search(name):
        raise BadRequest("must not have blanks at its ends, nor two in a row", field=field)
    if not unicodedata.is_normalized("NFC", name) or any(map(_has_twin, name)):
        raise BadRequest("must be in the form NFC, its letters and digits in NFKC: one way to write each", field=field)
    if len(_alphabets(name)) > 1:
        raise BadRequest("must not mix letters of alphabets that look alike", field=field)


async def check_new(service: Service, *, project: str, user: str | None = None, domain: str = DEFAULT_DOMAIN) -> None:
    """Raise `BadRequest` for names that nobody can have of what is not there yet; who is there keeps his name."""
    for name, field in ((domain, "domain"), (project, "project"), (user, "name")):
        if name is not None:
            _check_shown(name, field)
    store = service.deps.store
    projects = await store.projects()
    if not any(one.domain.name == domain for one in projects):
        check_name(domain, "domain")
    if not any((one.domain.name, one.name) == (domain, project) for one in projects):
        check_name(project, "project")
    if user is not None and await store.user_called(domain, user) is None:
        check_name(user, "name")


def _check_shown(name: str, field: str) -> None:
    if not 1 <= len(name) <= MAX_NAME or not name.isprintable():
        raise BadRequest(f"must be 1-{MAX_NAME} printable characters", field=field)


def _has_twin(character: str) -> bool:
    """Whether it is a letter or digit that looks like another; punctuation of wide form is at home beside Chinese."""
    return character.isalnum() and not unicodedata.is_normalized("NFKC", character)


def _alphabets(name: str) -> Set[str]:
    """Those of its letters, among the ones that look alike."""
    return {unicodedata.name(letter, "").partition(" ")[0] for letter in name if letter.isalpha()} & _ALIKE
