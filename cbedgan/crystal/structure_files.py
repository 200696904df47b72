"""Crystals from structure files: CIF, and POSCAR or CONTCAR, one file or a folder of both."""

from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np

from cbedgan.crystal.cif import crystals_from_cif
from cbedgan.crystal.crystals import Crystal
from cbedgan.crystal.poscar import crystal_from_poscar
from classifier.foundation.config import Config, digest
from classifier.foundation.errors import InputError


class FileSource(Config):
    """The source "files": the structures of a file or folder, drawn at random until none is new."""

    kind: Literal["files"]
    path: str
    attempts: int = 200
    supergroup_tolerance_angstrom: float = 0.1

    def draw(self, space_group: int, generator: np.random.Generator) -> Crystal | None:
        """Draw one of the group's structures; None where there is none."""
        crystals = [crystal for crystal in crystals_read_once(self.path) if crystal.space_group == space_group]
        return crystals[generator.integers(len(crystals))] if crystals else None

    def inputs(self) -> dict[str, str]:
        """Digest of the structures."""
        return {f"crystals in {self.path}": digest([crystal.record() for crystal in crystals_read_once(self.path)])}


def crystals_from_files(path: Path) -> list[Crystal]:
    """Read a CIF (*.cif) or POSCAR (POSCAR*, CONTCAR*, *.vasp, *.poscar), or all of a folder in the order of names.

    A CIF gives one crystal for each data block with sites. Raises InputError for a path that is neither, an empty
    folder, and a structure that is unreadable, disordered, or without elements or symmetry.
    """
    path = Path(path)
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.is_file() and (_is_cif(file) or _is_poscar(file)))
        if not files:
            raise InputError(source=path, rule="the folder must hold *.cif, POSCAR*, CONTCAR* or *.vasp files",
                             value="none", remedy="Give another folder, or convert the structures to CIF.")
        return [crystal for file in files for crystal in crystals_from_files(file)]
    if _is_cif(path):
        return crystals_from_cif(path)
    if _is_poscar(path):
        return [crystal_from_poscar(path)]
    raise InputError(source=path, rule="structures are read from *.cif, POSCAR*, CONTCAR*, *.vasp or *.poscar",
                     value=path.suffix or path.name, remedy="Convert the structure to CIF, or rename the file.")


@cache
def crystals_read_once(path: str) -> list[Crystal]:
    """What crystals_from_files gives, read once a process."""
    return crystals_from_files(Path(path))


def _is_cif(path: Path) -> bool:
    return path.suffix.lower() == ".cif"


def _is_poscar(path: Path) -> bool:
    return path.suffix.lower() in (".vasp", ".poscar") or path.name.upper().startswith(("POSCAR", "CONTCAR"))
