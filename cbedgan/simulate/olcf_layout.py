"""Simulated stacks written as OLCF data set 10.13139/OLCF/1510313 was published: folders, batch files, attributes.

What reads the published files reads these; see classifier.published.olcf for what each attribute means.
"""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gemmi
import h5py
import numpy as np

from cbedgan.crystal.crystals import Crystal
from classifier.foundation.atomic import atomic_path, read_json, write_json
from classifier.foundation.config import digest
from classifier.foundation.errors import InputError
from classifier.foundation.run import Interrupted, StopRequest, progress, require_same_run
from classifier.published.olcf import PARTITIONS
from classifier.samples.sampletable import SampleTable
from classifier.samples.stackfile import StackFile

SIZE_PIXELS, PIXEL_SIZE_INV_ANGSTROM = 512, 0.01
MANIFEST = "export.json"
FOLDERS = {partition: folder for folder, partition in PARTITIONS.items()}
AS_PUBLISHED = "Simulate with configs/olcf/simulate.toml, or a configuration like it."


@dataclass(frozen=True)
class BatchFile:
    """One file to write: its path below the output folder and its samples {group name: row of the table}."""

    name: str
    rows: dict[str, int]


def export_olcf(stacks: Path, *, out: Path, samples_per_file: int, partition: str | None = None) -> Path:
    """Write the stack file `stacks` (raw pose, 512 pixels of 0.01 1/angstrom) into the folder `out`, as published.

    Part "train" goes to `train/batch_train_<k>.h5`, "validation" to dev/, "test" to test/. One sample is in memory at
    a time; a file is whole or absent, and the same command goes on where it was stopped. InputError when the stacks do
    not fit the layout, Interrupted after SIGINT or SIGTERM.

    Parameters
    ----------
    stacks : as from configs/olcf/simulate.toml
    out : folder of train/, dev/ and test/
    samples_per_file : about 20 in the published files
    partition : part of stacks that have none
    """
    out = Path(out)
    if samples_per_file < 1:
        raise InputError(source="samples_per_file", rule="must be at least 1", value=samples_per_file,
                         remedy="The published files hold about 20 samples.")
    with StackFile(stacks) as source:
        _require_fitting(source)
        batches = list(batch_files(source.table, samples_per_file, partition))
        record = {"stage": "export-olcf", "inputs": {"stacks": source.digest},
                  "config_digest": digest({"samples_per_file": samples_per_file, "partition": partition})}
        if (out / MANIFEST).exists():
            require_same_run(out, read_json(out / MANIFEST), record)
        else:
            write_json(out / MANIFEST, record)
        missing = [batch for batch in batches if not (out / batch.name).exists()]
        with StopRequest() as stop, progress("Write files", len(batches), len(batches) - len(missing)) as bar:
            for batch in missing:
                if stop.requested:
                    raise Interrupted(stop.signal_number)
                _write(out / batch.name, source, batch)
                bar.advance()
    return out


def batch_files(table: SampleTable, samples_per_file: int, partition: str | None) -> Iterator[BatchFile]:
    """Cut every part into files; group sample_<i>_<j> is the file's material i at energy j of all energies.

    A material's energies lie together, in ascending order, and may be cut by the end of a file.
    """
    parts = np.where(table.partition == "", partition or "", table.partition)
    if unknown := sorted(set(parts.tolist()) - set(FOLDERS)):
        raise InputError(source="partition", rule=f"must be one of {', '.join(FOLDERS)}", value=repr(unknown[0]),
                         remedy="Name a part for the stacks that have none, or leave out the others.")
    energies = sorted(set(table.beam_energy_kev.tolist()))
    materials = {name: k for k, name in enumerate(dict.fromkeys(table.material.tolist()))}
    order = sorted(range(len(table)), key=lambda row: (materials[table.material[row]], table.beam_energy_kev[row]))
    for part, folder in FOLDERS.items():
        rows = [row for row in order if parts[row] == part]
        for k, start in enumerate(range(0, len(rows), samples_per_file)):
            some = rows[start:start + samples_per_file]
            here = {name: i for i, name in enumerate(dict.fromkeys(table.material[some].tolist()))}
            named = {f"sample_{here[table.material[row]]}_{energies.index(table.beam_energy_kev[row])}": row
                     for row in some}
            if len(named) < len(some):
                raise InputError(source=f"partition {part}", rule="the layout has one stack a material and energy",
                                 value=f"{len(some)} stacks, {len(named)} names in {folder}/batch_{folder}_{k}.h5",
                                 remedy="Simulate one thickness only.")
            yield BatchFile(f"{folder}/batch_{folder}_{k}.h5", named)


def published_attributes(table: SampleTable, row: int) -> dict[str, Any]:
    """Return the attributes of one sample with the names, types and shapes of the published files.

    Orientation k is the COLUMN k of z_dirs[0] and y_dirs[0]. Raises InputError for a sample whose provenance does not
    say by which reflections it was oriented.
    """
    energy = float(table.beam_energy_kev[row])
    try:
        provenance = json.loads(table.provenance[row])
        crystal = Crystal.from_record(provenance["crystal"])
        hkl, spacing, up = (np.array(provenance[key]) for key in ("hkl", "d_hkl_angstrom", "y_direction_uvw"))
    except (json.JSONDecodeError, KeyError, TypeError, ValueError, AttributeError):
        raise InputError(source=f"sample {table.sample_id[row]}",
                         rule='must be simulated by the zone-axis rule "strongest_xray"',
                         value="no reflections in its provenance", remedy=AS_PUBLISHED) from None
    if energy != round(energy):
        raise InputError(source=f"sample {table.sample_id[row]}", rule="the layout has whole keV", value=energy,
                         remedy=AS_PUBLISHED)
    return {"space_group": np.bytes_(str(table.space_group[row])), "material": np.bytes_(str(table.material[row])),
            "energy_keV": np.int64(energy), "z_dirs": np.dstack(list(hkl.astype(np.int64))),
            "y_dirs": np.dstack(list(up.astype(np.float64))), "d_hkls_angstrom": spacing.astype(np.float64),
            "semi_angles_rad": table.convergence_semi_angle_mrad[row] * 1e-3,
            "abc_angstrom": table.cell_lengths_angstrom[row], "angles_degree": table.cell_angles_degree[row],
            "formula": cell_formula(crystal.numbers)}


def cell_formula(numbers: np.ndarray) -> str:
    """Return the formula of a whole cell of atomic numbers [n], as 'Fe8 O14 F2': cations first."""
    from pymatgen.core import Composition

    return Composition(Counter(gemmi.Element(int(number)).name for number in numbers)).formula


def _require_fitting(source: StackFile) -> None:
    detector = source.detector
    if source.pose != "raw":
        raise InputError(source=source.path, rule="the layout holds patterns in raw pose", value=f"{source.pose} pose",
                         remedy=AS_PUBLISHED)
    if detector.size_pixels != SIZE_PIXELS or not np.isclose(detector.pixel_size, PIXEL_SIZE_INV_ANGSTROM, rtol=1e-6):
        raise InputError(source=source.path, remedy=AS_PUBLISHED,
                         rule=f"the layout holds {SIZE_PIXELS} pixels of {PIXEL_SIZE_INV_ANGSTROM} 1/angstrom a side",
                         value=f"{detector.size_pixels} pixels of {detector.pixel_size:g} {detector.unit}")


def _write(path: Path, source: StackFile, batch: BatchFile) -> None:
    try:
        with atomic_path(path) as temporary, h5py.File(temporary, "w") as file:
            for name, row in batch.rows.items():
                group = file.create_group(name)
                group.attrs.update(published_attributes(source.table, row))
                group.create_dataset("cbed_stack", data=source.read([row])[0])
    except (OSError, RuntimeError) as error:
        raise InputError(source=path, rule="there must be room and permission to write the file",
                         value=" ".join(str(error).split()), remedy="Free space, or choose another folder, and run the "
                         "same command again.") from error
