"""Crystals from structure files: CIF, and POSCAR or CONTCAR, one file or a folder of both."""

from functools import cache
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from rich.console import Console
from rich.text import Text

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
        """Digest of the structures; those that cannot be read are named on stderr."""
        say_unreadable(_structures_read_once(self.path))
        return {f"crystals in {self.path}": digest([crystal.record() for crystal in crystals_read_once(self.path)])}


class Structures(NamedTuple):
    """crystals: of a file or folder; unreadable: (file, why) of those of a folder that were left out."""

    crystals: list[Crystal]
    unreadable: list[tuple[str, str]]


def crystals_from_files(path: Path) -> list[Crystal]:
    """The crystals of `structures_from_files`."""
    return structures_from_files(path).crystals


def structures_from_files(path: Path) -> Structures:
    """Read a CIF (*.cif) or POSCAR (POSCAR*, CONTCAR*, *.vasp, *.poscar), or all of a folder in the order of names.

    A CIF gives one crystal for each data block with sites. A structure that is unreadable, disordered, or without
    elements or symmetry is left out of a folder, and an InputError where it is the file asked for or nothing else is
    there; so are a path that is neither and an empty folder.
    """
    path = Path(path)
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.is_file() and (_is_cif(file) or _is_poscar(file)))
        if not files:
            raise InputError(source=path, rule="the folder must hold *.cif, POSCAR*, CONTCAR* or *.vasp files",
                             value="none", remedy="Give another folder, or convert the structures to CIF.")
        crystals, unreadable = [], []
        for file in files:
            try:
                crystals += structures_from_files(file).crystals
            except InputError as fault:
                if not crystals and file == files[-1]:
                    raise
                unreadable.append((file.name, f"{fault.rule}; found {fault.value}"))
        return Structures(crystals, unreadable)
    if _is_cif(path):
        return Structures(crystals_from_cif(path), [])
    if _is_poscar(path):
        return Structures([crystal_from_poscar(path)], [])
    raise InputError(source=path, rule="structures are read from *.cif, POSCAR*, CONTCAR*, *.vasp or *.poscar",
                     value=path.suffix or path.name, remedy="Convert the structure to CIF, or rename the file.")


def say_unreadable(structures: Structures) -> None:
    """Name on stderr what was left out, one file a line, with the reason."""
    for file, reason in structures.unreadable:
        Console(stderr=True, soft_wrap=True, highlight=False).print(Text(f"left out: {file}: {reason}"))


def crystals_read_once(path: str) -> list[Crystal]:
    """What crystals_from_files gives, read once a process."""
    return _structures_read_once(path).crystals


@cache
def _structures_read_once(path: str) -> Structures:
    return structures_from_files(Path(path))


def _is_cif(path: Path) -> bool:
    return path.suffix.lower() == ".cif"


def _is_poscar(path: Path) -> bool:
    return path.suffix.lower() in (".vasp", ".poscar") or path.name.upper().startswith(("POSCAR", "CONTCAR"))
