"""Curves as other programs store them: two columns of a text with any header (.xy, .csv, .gr, .chi), or .xrdml."""

import re
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from classifier.foundation.errors import InputError, reported

LARGEST_BYTES = 1 << 26
FEWEST_POINTS = 10  # of a curve
READABLE = {"rule": "must be a text of columns of numbers, or .xrdml", "remedy": "Save the curve as two columns."}
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eEdD][+-]?\d+)?")


@dataclass(frozen=True, eq=False)
class StoredCurve:
    """places, values: float64 [n] as stored, rising and each place once; wavelength_angstrom: where the file says."""

    places: Float[np.ndarray, " n"]
    values: Float[np.ndarray, " n"]
    wavelength_angstrom: float | None = None


def read_curve(path: Path, columns: tuple[int, int]) -> StoredCurve:
    """Read a curve; columns: of places and values, from 1. What a file lacks is an InputError that names it."""
    path = Path(path)
    with reported(path, **READABLE):
        if path.stat().st_size > LARGEST_BYTES:
            raise InputError(source=path, rule=f"a curve may have {LARGEST_BYTES >> 20} MiB",
                             value=f"{path.stat().st_size} bytes", remedy="Give the file of one curve.")
        content = path.read_bytes()
        text = content.decode("utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig", errors="replace")
        wavelength = None
        if text.lstrip().startswith("<"):
            places, values, wavelength = _xrdml(text, path)
        else:
            places, values = _columns(text, columns, path)
    finite = np.isfinite(places) & np.isfinite(values)
    places, row = np.unique(places[finite], return_inverse=True)
    if len(places) < FEWEST_POINTS:
        raise InputError(source=path, rule=f"a curve must have {FEWEST_POINTS} points or more", value=len(places),
                         remedy="Check the file, and the numbers of its columns.")
    return StoredCurve(places, np.bincount(row, values[finite]) / np.bincount(row), wavelength)


def _columns(text: str, columns: tuple[int, int], path: Path) -> tuple[np.ndarray, np.ndarray]:
    """The longest run of lines with as many numbers as needed: headers and footers are what lies around it."""
    needed = max(columns)
    best: list[list[float]] = []
    run: list[list[float]] = []
    for line in text.splitlines():
        numbers = _numbers(line)
        if len(numbers) >= needed:
            run.append([numbers[column - 1] for column in columns])
        elif line.strip():  # an empty line ends nothing
            best, run = max(best, run, key=len), []
    best = max(best, run, key=len)
    if not best:
        raise InputError(source=path, rule=f"must have lines with {needed} numbers", value="none",
                         remedy="Correct `columns`, or save the curve as two columns.")
    places, values = np.array(best).T
    return places, values


def _numbers(line: str) -> list[float]:
    """The numbers that a line holds and nothing else, [] where it holds more; a comma between digits of a field that
    semicolons or blanks part is a decimal one."""
    line = line.strip()
    if ";" in line or ("\t" in line and "," in line):
        fields = re.split(r"[;\t]\s*", line.replace(",", "."))
    else:
        fields = re.split(r"\s*,\s*|\s+", line)
    fields = [field.strip() for field in fields if field.strip()]
    if not all(NUMBER.fullmatch(field) for field in fields):
        return []
    return [float(re.sub("[dD]", "e", field)) for field in fields]


def _xrdml(text: str, path: Path) -> tuple[np.ndarray, np.ndarray, float | None]:
    """2 theta and intensities of the first scan of a PANalytical file, and its K alpha 1 wavelength."""
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise InputError(source=path, rule=".xrdml may define no entities", value="a DOCTYPE",
                         remedy="Export it again, or save two columns.")
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise ValueError(f"it is no XML: {error}") from None
    found: dict[str, str] = {}
    for element in root.iter():
        name = element.tag.rpartition("}")[2]
        if name in ("intensities", "counts", "kAlpha1"):
            found.setdefault(name, element.text or "")
        elif name == "positions" and element.get("axis") == "2Theta":
            for end in element:
                found.setdefault(end.tag.rpartition("}")[2], end.text or "")
    counts = np.array((found.get("intensities") or found["counts"]).split(), dtype=np.float64)
    places = (np.array(found["listPositions"].split(), dtype=np.float64) if "listPositions" in found else
              np.linspace(float(found["startPosition"]), float(found["endPosition"]), len(counts)))
    if len(places) != len(counts):
        raise ValueError(f"{len(places)} positions of {len(counts)} intensities")
    return places, counts, float(found["kAlpha1"]) if "kAlpha1" in found else None
