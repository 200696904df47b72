"""Which patterns of which files make a stack, and the files opened by what their first bytes say they are."""

from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field

from classifier.foundation.config import Config
from classifier.foundation.errors import InputError
from classifier.imported.hdf5 import open_hdf5
from classifier.imported.source import PatternArray, open_npy, open_tiff

HEADS = {b"\x89HDF": "HDF5", b"\x93NUM": ".npy", b"II*\0": "TIFF", b"MM\0*": "TIFF", b"II+\0": "TIFF", b"MM\0+": "TIFF"}
OPEN_AT_ONCE = 16  # files

Positive = Annotated[float, Field(gt=0)]
Triple = tuple[Positive, Positive, Positive]
Pixel = tuple[float, float]
Indices = tuple[int, int, int]
Place = tuple[Path, tuple[int, ...]]  # a file and the indices of one pattern in it


class PatternReference(Config):
    """One pattern: the name of one of the files and the indices of its leading axes, [] where it has none."""

    file: str
    at: tuple[Annotated[int, Field(ge=0)], ...]


class StackConfig(Config):
    """What is known of one stack; whatever is left out is unknown. Cell and zone axes help to find the pose.

    shortest_g_disk: [column, row] in stored pixels, in each pattern, of the disk that shall come to lie on +x.
    """

    sample_id: str
    patterns: tuple[PatternReference, PatternReference, PatternReference] | None = None
    space_group: Annotated[int, Field(ge=1, le=230)] | None = None
    material: str = ""
    structure_type: str = ""
    formula: str = ""
    cell_lengths_angstrom: Triple | None = None
    cell_angles_degree: Triple | None = None
    zone_axis_uvw: tuple[Indices, Indices, Indices] | None = None
    convergence_semi_angle_mrad: Triple | None = None
    shortest_g_disk: tuple[Pixel, Pixel, Pixel] | None = None
    thickness_angstrom: Triple | None = None


class OpenFiles(ExitStack):
    """Pattern files by path, opened when first asked for, closed all together when too many are open."""

    def __init__(self, dataset: str) -> None:
        super().__init__()
        self._dataset = dataset
        self._arrays: dict[Path, PatternArray] = {}

    def __getitem__(self, path: Path) -> PatternArray:
        if path not in self._arrays:
            if len(self._arrays) == OPEN_AT_ONCE:
                self.close()
                self._arrays.clear()
            self._arrays[path] = self.enter_context(_opened(path, self._dataset))
        return self._arrays[path]


def _opened(path: Path, dataset: str) -> AbstractContextManager[PatternArray]:
    with path.open("rb") as file:
        head = file.read(4)
    kind = HEADS.get(head)
    if kind == "HDF5":
        return open_hdf5(path, dataset)
    if kind is None:
        raise InputError(source=path, rule="must be HDF5 (.hspy, .nxs, .emd, .h5), .npy or TIFF",
                         value=f"a file that begins with {head!r}", remedy="Save the patterns in one of these formats.")
    return open_npy(path) if kind == ".npy" else open_tiff(path)


def only_pattern(array: PatternArray) -> np.ndarray:
    """The pattern [H, W] of an array that holds one."""
    if any(length != 1 for length in array.lead):
        raise InputError(source=array.source, rule="must hold one pattern [H, W]",
                         value=f"{list(array.values.shape)}", remedy='Choose layout "stacks" or "listed", or split it.')
    return array.read((0,) * len(array.lead))


def stacks_in(files: list[Path], layout: str, samples: tuple[StackConfig, ...], opened: OpenFiles
              ) -> list[tuple[StackConfig, list[Place]]]:
    """Every sample with the places of its three patterns.

    Parameters
    ----------
    files, opened : the files in their order, and opened
    layout, samples : of the configuration: "stacks", "patterns" or "listed"; how it describes each, if it does
    """
    if layout == "listed":
        return [(sample, _listed(sample, files)) for sample in samples]
    if any(sample.patterns for sample in samples):
        raise InputError(source="import configuration, samples.patterns", rule='belong to layout "listed"',
                         value=f"layout {layout!r}", remedy="Change the layout, or leave the patterns out.")
    named: list[tuple[str, list[Place]]] = []
    if layout == "patterns":
        if len(files) % 3:
            raise InputError(source="files", rule='layout "patterns" takes three files a stack', value=len(files),
                             remedy="Give three patterns of each crystal, at three zone axes.")
        zeros = [(file, (0,) * len(opened[file].lead)) for file in files if only_pattern(opened[file]) is not None]
        named = [(files[k].stem, zeros[k:k + 3]) for k in range(0, len(files), 3)]
    else:
        for file in files:
            lead = opened[file].lead
            if lead not in ((3,), (lead[0] if lead else 0, 3)):
                raise InputError(source=opened[file].source, value=f"leading axes {list(lead)}",
                                 rule='layout "stacks" takes arrays [3, H, W] or [N, 3, H, W]',
                                 remedy='Name the three positions of each stack: layout = "listed".')
            rows = [()] if len(lead) == 1 else [(row,) for row in range(lead[0])]
            named += [("-".join([file.stem, *map(str, row)]), [(file, (*row, k)) for k in range(3)]) for row in rows]
    if samples and len(samples) != len(named):
        raise InputError(source="import configuration, samples", value=f"{len(samples)} for {len(named)} stacks",
                         rule="there must be one sample a stack, in their order, or none",
                         remedy="Describe every stack, or none.")
    described = samples or [StackConfig(sample_id=name) for name, _ in named]
    return [(sample, places) for sample, (_, places) in zip(described, named, strict=True)]


def _listed(sample: StackConfig, files: list[Path]) -> list[Place]:
    source = f"import configuration, sample {sample.sample_id}"
    if sample.patterns is None:
        raise InputError(source=source, rule='layout "listed" needs its three patterns', value="none",
                         remedy='Give patterns = [{ file = "NAME", at = [0, 1] }, ...].')
    by_name = {file.name: file for file in files}
    for reference in sample.patterns:
        if reference.file not in by_name:
            raise InputError(source=source, rule=f"a pattern's file must be one of {', '.join(by_name)}",
                             value=reference.file, remedy="Give the file on the command line, or correct its name.")
    return [(by_name[reference.file], reference.at) for reference in sample.patterns]
