"""The import stage: a user's own patterns, from files of other programs, to one stack file that predict accepts."""

import hashlib
import json
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import Field
from rich.console import Console
from rich.text import Text

from classifier.crystal.electron import wavelength_angstrom
from classifier.crystal.reciprocal import Basis, zolz_lattice
from classifier.foundation.config import Config, digest
from classifier.foundation.errors import InputError
from classifier.foundation.run import Interrupted, StopRequest, progress, require_same_run, versions
from classifier.imported import frame as frames
from classifier.imported.files import OpenFiles, Place, StackConfig, only_pattern, stacks_in
from classifier.imported.frame import FRACTION, Positive, Target
from classifier.imported.pose import PoseConfig, brightest_disk, direct_disk, measured_pose
from classifier.imported.units import to_inverse_angstrom
from classifier.pattern.geometry import Detector, Pose
from classifier.prediction.predict import load_classifier
from classifier.samples.sampletable import SampleTable
from classifier.samples.stackfile import StackFile, StackWriter


class ImportConfig(Config):
    """layout: "stacks" (files of [3, H, W] or [N, 3, H, W]), "patterns" (one a file, three files a stack) or "listed".

    listed: each sample names its three patterns; dataset: where in an HDF5 file, or "auto"; frame: "classifier" takes
    that of --like; on_fault: a stack that cannot be used stops the import or is left out.
    """

    layout: Literal["stacks", "patterns", "listed"]
    dataset: str
    beam_energy_kev: Positive
    convergence_semi_angle_mrad: Positive | Literal["unknown"]
    on_fault: Literal["stop", "leave out"]
    frame: Literal["classifier"] | Annotated[frames.CanonicalFrame | frames.RawFrame, Field(discriminator="pose")]
    geometry: frames.GeometryConfig
    intensity: frames.CountsConfig
    pose: PoseConfig
    samples: tuple[StackConfig, ...] = ()


def import_patterns(config: ImportConfig, *, files: Sequence[Path], out: Path, like: Path | None = None,
                    dark: Path | None = None) -> Path:
    """Bring patterns of HyperSpy, NeXus, EMD, .npy and TIFF files into the stack file `out`, origin "experimental".

    What was left out, and why, is in the provenance of `out`.

    Parameters
    ----------
    config, files : what the files hold, and how patterns become stacks; files of patterns, no two of one name
    out : the stack file; one of the same config and inputs is kept
    like : a trained classifier whose detector, pose and unit the patterns take
    dark : a file of one pattern that is subtracted
    """
    target = _target(config, like)
    files = [Path(file) for file in files]
    inputs = {path.name: _sha256(path) for path in files}
    if len(inputs) < len(files):
        raise InputError(source="files", rule="no two may have the same name", value=f"{len(files) - len(inputs)} have",
                         remedy="Rename them, or import them one after the other.")
    inputs |= {role: _sha256(path) for role, path in (("like", like), ("dark", dark)) if path is not None}
    identity = {"stage": "import", "config": config.model_dump(mode="json"), "config_digest": digest(config),
                "inputs": inputs}
    if Path(out).exists():
        with StackFile(out) as written:
            require_same_run(out, written.provenance, identity)
        return out
    with ExitStack() as exits:
        opened = exits.enter_context(OpenFiles(config.dataset))
        background = None if dark is None else only_pattern(opened[dark])
        stacks = stacks_in(files, config.layout, config.samples, opened)
        stop, bar = exits.enter_context(StopRequest()), exits.enter_context(progress("Import stacks", len(stacks)))
        left_out: dict[str, str] = {}
        provenance = {**identity, "versions": versions(), "left_out": left_out}
        writer = exits.enter_context(StackWriter(
            out, detector=target.detector, pose=target.pose, intensity_unit=config.intensity.written_unit(),
            provenance=provenance))
        for sample, places in stacks:
            if stop.requested:
                raise Interrupted(stop.signal_number)
            try:
                writer.append(*_stack(config, sample, places, opened, background, target))
            except InputError as error:
                if config.on_fault == "stop" or error.source.startswith(str(out)):
                    raise
                left_out[sample.sample_id] = str(error)
            bar.advance()
        if len(left_out) == len(stacks):
            raise InputError(source=", ".join(map(str, files)), rule="at least one stack must be usable",
                             value=f"none of {len(stacks)}",
                             remedy=f"The first fault: {next(iter(left_out.values()), 'no samples are listed')}")
    for name, reason in left_out.items():
        Console(stderr=True, soft_wrap=True).print(Text(f"left out {name}: {reason}", style="yellow"))
    return out


def _target(config: ImportConfig, like: Path | None) -> Target:
    if config.frame != "classifier" and like is None:
        return config.frame.target()
    if config.frame != "classifier" or like is None:
        raise InputError(source="import configuration, frame",
                         rule='must be "classifier" with --like CLASSIFIER, or a table without it',
                         value="--like" if like else "no --like", remedy="Give the one or the other.")
    frame = load_classifier(like).frame
    unit = config.intensity.written_unit()
    if frame.intensity_unit != unit:
        how = 'set intensity.incident to "total" or to the electrons of the incident beam'
        if frame.intensity_unit != FRACTION:
            how = f'bring the patterns to it, and set intensity.incident = "unknown", unit = "{frame.intensity_unit}"'
        raise InputError(source="import configuration, intensity", value=repr(unit), remedy=f"To use it, {how}.",
                         rule=f"the classifier {like} reads intensities in {frame.intensity_unit!r}")
    return Target(frame.detector, frame.pose)


def _sha256(path: Path) -> str:
    try:
        with Path(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(source=path, rule="the file must exist and be readable", value=error.strerror,
                         remedy="Correct the path.") from None


def _stack(config: ImportConfig, sample: StackConfig, places: list[Place], opened: OpenFiles,
           background: np.ndarray | None, target: Target) -> tuple[np.ndarray, SampleTable]:
    """One stack float32 [1, 3, S, S] in the target's frame, and its row."""
    patterns, poses = zip(*(_pattern(config, sample, k, place, opened, background, target)
                            for k, place in enumerate(places)), strict=True)
    provenance = json.dumps({"patterns": [[file.name, list(at)] for file, at in places],
                             "pose_from": [pose.way for pose in poses],
                             "field_inv_angstrom": [pose.field for pose in poses],
                             "disk_lattice": [pose.lattice for pose in poses],
                             "remarks": [f"pattern {k}: {said}" for k, pose in enumerate(poses) for said in pose.said]})
    mrad = config.convergence_semi_angle_mrad
    columns = sample.model_dump(exclude={"patterns", "shortest_g_disk"}, exclude_none=True)
    if mrad != "unknown":
        columns.setdefault("convergence_semi_angle_mrad", (mrad,) * 3)
    return np.stack(patterns)[None], SampleTable.build(
        1, origin="experimental", beam_energy_kev=config.beam_energy_kev, provenance=[provenance],
        **{name: [value] for name, value in columns.items()},
        pixel_size_inv_angstrom=[[pose.pixel_size for pose in poses]],
        shortest_g_inv_angstrom=[[pose.length for pose in poses]], azimuth_rad=[[pose.azimuth for pose in poses]])


@dataclass(frozen=True)
class _Placed:
    """How one pattern was placed: written pixel size and |g| in 1/angstrom (NaN in raw pose), azimuth in radian.

    field: from the direct beam to the nearest edge of what was measured, in 1/angstrom; lattice: basis of the disks in
    the written frame, in |g1|; None where nobody asked the image.
    """

    pixel_size: float
    length: float
    azimuth: float
    field: float
    lattice: list[list[float]] | None
    way: str
    said: list[str]


def _pattern(config: ImportConfig, sample: StackConfig, k: int, place: Place, opened: OpenFiles,
             background: np.ndarray | None, target: Target) -> tuple[np.ndarray, _Placed]:
    """Pattern k of a stack, float32 [S, S] in the target's frame."""
    array, geometry = opened[place[0]], config.geometry
    source = f"{array.source}, pattern {list(place[1])}"
    stored, said = frames.mended(array.read(place[1]), background, config.intensity, source)
    size = frames.pixel_size_inv_angstrom(array, geometry, config.beam_energy_kev)
    radius = _disk_radius(config, sample, k)
    by_image = target.pose == "canonical" and not sample.shortest_g_disk
    find = direct_disk if by_image else brightest_disk
    centre = frames.stored_centre(stored, array, geometry, lambda pattern: find(
        pattern, None if radius is None else radius / size))
    middle = frames.oriented_place(centre, stored.shape, geometry)
    upright = frames.oriented(stored, geometry)
    square, off = frames.squared(upright, middle, geometry.square)
    at = np.array(middle) - (np.array(upright.shape[::-1]) - 1) / 2
    moved = off - at  # from the middle of the square to that of the whole
    field, pose, way, target_pixel = Detector(len(square), size, "1/angstrom"), None, "raw", 0.0
    lattice = None
    if target.pose == "canonical" and sample.shortest_g_disk:
        disk = frames.oriented_place(sample.shortest_g_disk[k], stored.shape, geometry)
        pose, way = Pose((np.array(disk) - middle) * size, off * size), "declared"
    elif by_image:
        try:
            # A square pattern is measured whole: what the crop about the centre leaves may tell less.
            seen, place_seen = (upright, at) if upright.shape[0] == upright.shape[1] else (square, off)
            pose, way, remarks, basis = measured_pose(
                seen, Detector(len(seen), size, "1/angstrom"), config.pose, centre=place_seen * size,
                disk_radius=radius, basis=_basis(sample, k))
            lattice = _in_g1(basis, pose)
            pose = Pose(pose.shortest_g, pose.centre + (off - place_seen) * size)
            said += remarks
        except InputError as error:
            raise InputError(source=f"{source}, {error.source}", rule=error.rule, value=error.value,
                             remedy=error.remedy) from error
    if pose is None:
        target_pixel = to_inverse_angstrom(target.detector.pixel_size, target.detector.unit,
                                           beam_energy_kev=config.beam_energy_kev, source="the classifier's detector")
    else:
        off, target_pixel = pose.centre / size, float(pose.length * target.detector.pixel_size)
    if target_pixel * target.detector.size_pixels > size * (len(square) - 2 * np.abs(off).max()) * (1 + 1e-6):
        said.append("the frame reaches beyond the field, where it is zero")
    nearest = min(len(square) / 2 - np.abs(off).max(),
                  (np.array(upright.shape[::-1]) / 2 - np.abs(off - moved)).min())
    pattern = frames.placed(square, off, field, target.detector, target_pixel, pose)
    if not pattern.any():
        raise InputError(source=source, rule="the frame must hold light", value="none", remedy="Check the centre.")
    length, azimuth = (np.nan, 0.0) if pose is None else (float(pose.length), float(pose.azimuth_rad))
    return pattern, _Placed(target_pixel, length, azimuth, float(nearest * size), lattice, way, said)


def _in_g1(basis: Basis, pose: Pose) -> list[list[float]]:
    """A basis as it lies in canonical pose, where the shortest g is (1, 0)."""
    along = (basis @ [1, 1j]) / complex(*pose.shortest_g)
    return [[round(one.real, 5), round(one.imag, 5)] for one in along]


def _disk_radius(config: ImportConfig, sample: StackConfig, k: int) -> float | None:
    """Radius of the disks of pattern k in 1/angstrom, where the convergence angle is known."""
    own = sample.convergence_semi_angle_mrad
    mrad = own[k] if own else config.convergence_semi_angle_mrad
    return None if mrad == "unknown" else mrad * 1e-3 / wavelength_angstrom(config.beam_energy_kev)


def _basis(sample: StackConfig, k: int) -> Basis | None:
    """Basis of the lattice that cell and zone axis predict for pattern k, in 1/angstrom."""
    if not (sample.cell_lengths_angstrom and sample.cell_angles_degree and sample.zone_axis_uvw):
        return None
    return zolz_lattice(sample.cell_lengths_angstrom, sample.cell_angles_degree, sample.zone_axis_uvw[k])
