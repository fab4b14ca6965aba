"""Marks of the catalogs that may hold left data files: on disk, so that the next start of the service looks too."""

from pathlib import Path

import msgspec
import structlog

from treadle.model.entities import Catalog

log = structlog.get_logger("treadle.keeper")


class Mark(msgspec.Struct, frozen=True):
    """One catalog: its id, and how it is found in the store."""

    catalog_id: str
    workspace_id: str
    instance_id: str
    name: str


class Marks:
    """A folder with one small file a catalog. Everything blocks; what fails raises `OSError`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, catalog: Catalog) -> None:
        """Mark a catalog; it may be marked already."""
        self._folder.mkdir(parents=True, exist_ok=True)
        mark = Mark(catalog.id, catalog.workspace_id, catalog.instance_id, catalog.name)
        fresh = self._folder / f"{catalog.id}.part"
        fresh.write_bytes(msgspec.json.encode(mark))
        fresh.replace(self._folder / catalog.id)

    def remove(self, catalog_id: str) -> None:
        """Take the mark away, if there is one."""
        (self._folder / catalog_id).unlink(missing_ok=True)

    def all(self) -> list[Mark]:
        """The marks that are there; one that a power failure has cut short tells nothing."""
        if not self._folder.is_dir():
            return []
        files = sorted(file for file in self._folder.iterdir() if file.suffix != ".part")
        found = []
        for file in files:
            try:
                found.append(msgspec.json.decode(file.read_bytes(), type=Mark))
            except msgspec.DecodeError:
                log.warning("mark_not_readable", catalog_id=file.name)
        return found
