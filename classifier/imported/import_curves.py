"""The stage import-curves: a user's own powder patterns or pair distribution functions to one file for predict."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field
from rich.console import Console
from rich.text import Text

from classifier.foundation.config import Config, digest
from classifier.foundation.errors import InputError, reported
from classifier.foundation.run import require_same_run, versions
from classifier.imported.curve_files import READABLE, read_curve
from classifier.imported.regridding import Axis1, Background, on_axis, regridded
from classifier.kind.measurement_kind import AnyKind
from classifier.pattern.grid import SampleGrid
from classifier.prediction.predict import load_classifier
from classifier.samples.sampletable import SampleTable
from classifier.samples.stackfile import StackFile, StackWriter

Column = Annotated[int, Field(ge=1, le=64)]


class CurveSampleConfig(Config):
    """What is known of the curve of one file; whatever is left out is unknown."""

    file: str
    sample_id: str | None = None
    space_group: Annotated[int, Field(ge=1, le=230)] | None = None
    material: str = ""
    structure_type: str = ""
    formula: str = ""


class ImportCurvesConfig(Config):
    """measurement: the kind, on whose axis curves are brought; with --like that of the classifier's training counts.

    columns: of places and values, from 1; axis: what the places are; wavelength_angstrom: of the measurement, "from
    file" for .xrdml; first, last: in the unit of the file's places, what lies outside is cut off; between, background:
    see regridded; on_fault: a file that cannot be used stops the import or is left out.
    """

    measurement: AnyKind
    columns: tuple[Column, Column] = (1, 2)
    axis: Axis1
    wavelength_angstrom: Annotated[float, Field(gt=0, le=10)] | Literal["from file"] | None = None
    first: float | None = None
    last: float | None = None
    between: Literal["mean", "value"]
    background: Background
    on_fault: Literal["stop", "leave out"] = "stop"
    samples: tuple[CurveSampleConfig, ...] = ()


def import_curves(config: ImportCurvesConfig, *, files: Sequence[Path], out: Path, like: Path | None = None) -> Path:
    """Bring curves of text files, one each, into the sample file `out`, origin "experimental".

    What was done to each is in its row's provenance, and said on the console; what was left out is in the file's.

    Parameters
    ----------
    config, files : what the files hold, and how curves are treated; no two files of one name
    out : the sample file; one of the same config and inputs is kept
    like : a trained classifier whose axis the curves take
    """
    files, grid = [Path(file) for file in files], _grid(config, like)
    inputs = {path.name: _sha256(path) for path in files}
    known = {sample.file: sample for sample in config.samples}
    if len(inputs) < len(files) or not files or not set(known) <= set(inputs):
        raise InputError(source="files", rule="there must be some, no two of one name, and all that samples describe",
                         value=f"{len(files)} files, {len(inputs)} names; no file for "
                         f"{', '.join(sorted(set(known) - set(inputs))) or 'none'}", remedy="Correct files or samples.")
    inputs |= {} if like is None else {"like": _sha256(like)}
    identity = {"stage": "import", "config": config.model_dump(mode="json"), "config_digest": digest(config),
                "inputs": inputs}
    if Path(out).exists():
        with StackFile(out) as written:
            require_same_run(out, written.provenance, identity)
        return out
    left_out: dict[str, str] = {}
    rows: list[dict[str, Any]] = []
    curves: list[np.ndarray] = []
    for path in files:
        try:
            values, remarks = _curve(config, path, grid)
        except InputError as error:
            if config.on_fault == "stop":
                raise
            left_out[path.name] = str(error)
            _say(f"left out {path.name}: {error}", "yellow")
            continue
        sample = known.get(path.name, CurveSampleConfig(file=path.name))
        curves.append(values)
        rows.append({"sample_id": sample.sample_id or path.stem, "space_group": sample.space_group or 0,
                     "material": sample.material, "structure_type": sample.structure_type, "formula": sample.formula,
                     "origin": "experimental", "provenance": json.dumps({"file": path.name, "remarks": remarks})})
        _say(f"{path.name}: {'; '.join(remarks)}", "")
    if not curves:
        raise InputError(source=", ".join(map(str, files)), rule="at least one curve must be usable",
                         value=f"none of {len(files)}", remedy=f"The first fault: {next(iter(left_out.values()))}")
    table = SampleTable.build(len(rows), **{name: np.array([row[name] for row in rows]) for name in rows[0]})
    with StackWriter(out, detector=grid, pose="raw", intensity_unit=config.measurement.unit,
                     provenance={**identity, "versions": versions(), "left_out": left_out}) as writer:
        writer.append(np.stack(curves), table)
    return out


def _curve(config: ImportCurvesConfig, path: Path, grid: SampleGrid) -> tuple[np.ndarray, list[str]]:
    """A file's curve float32 [1, P] in the unit of its kind, and what was done to it."""
    stored = read_curve(path, config.columns)
    wavelength = stored.wavelength_angstrom if config.wavelength_angstrom == "from file" else config.wavelength_angstrom
    places = on_axis(stored.places, config.axis, grid.axes[0], measured=wavelength, wanted=grid.wavelength_angstrom,
                     source=path)
    values, remarks = regridded(stored, places, grid, between=config.between, background=config.background,
                                first=config.first, last=config.last, source=path)
    shown = config.measurement.in_unit(values[None, None])[0]
    if not shown.any():
        raise InputError(source=path, rule="a curve must not be flat", value="the same value everywhere",
                         remedy="Check its columns and the background.")
    if grid.wavelength_angstrom and wavelength and abs(wavelength / grid.wavelength_angstrom - 1) > 1e-3:
        remarks.append(f"angles of {wavelength:g} angstrom brought to those of {grid.wavelength_angstrom:g}; "
                       "intensities left as measured")
    return shown, remarks


def _grid(config: ImportCurvesConfig, like: Path | None) -> SampleGrid:
    """The grid of the curves: that of the kind, or of a classifier of the same kind."""
    grid = config.measurement.grid()
    if like is not None:
        frame = load_classifier(like).frame
        if (frame.grid.kind, frame.intensity_unit) != (grid.kind, config.measurement.unit):
            raise InputError(source=like, rule=f"must be a classifier of {grid.kind} in {config.measurement.unit}",
                             value=f"{frame.grid.kind} in {frame.intensity_unit}",
                             remedy="Name its kind in measurement.")
        grid = frame.grid
    if not isinstance(grid, SampleGrid) or len(grid.axes) != 1 or grid.channels != 1:
        raise InputError(source="measurement", rule="must be a kind of single curves", value=grid.kind,
                         remedy="Take `import` for CBED patterns.")
    return grid


def _sha256(path: Path) -> str:
    with reported(path, **READABLE):
        return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def _say(text: str, style: str) -> None:
    Console(stderr=True, soft_wrap=True).print(Text(text, style=style))
