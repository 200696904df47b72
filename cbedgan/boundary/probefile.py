"""probe.h5: one row a probed path, with its crossing and the boundary point it led to; its keys are named only here."""

import json
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from classifier.foundation.atomic import atomic_path
from classifier.foundation.errors import InputError, reported
from classifier.samples.stacklayout import LIBVER, content_digest, fixed_text, read_description, read_text

FORMAT = "cbedgan-probe 1"
PATHS = "paths"
REMEDY = "Run the stage probe again."


def _column(dtype: str) -> Any:
    return field(metadata={"dtype": dtype})


@dataclass(frozen=True, eq=False)
class ProbedPaths:
    """Columns of P probed paths from class a (t = 0, the rare group) to class b (t = 1).

    A path without a crossing has NaN from `crossing` to `p_b`.
    """

    space_group_a: np.ndarray = _column("<i2")
    space_group_b: np.ndarray = _column("<i2")
    control: np.ndarray = _column("?")  # b was drawn at random, not for being confused with a
    followed: np.ndarray = _column("?")  # b was found to take over from a on another path of the same latent
    confusion: np.ndarray = _column("<f8")  # mean probability that real samples of a give to b
    kind: np.ndarray = _column("S8")  # "class", "latent" or "w"
    z_seed_a: np.ndarray = _column("<i8")
    z_seed_b: np.ndarray = _column("<i8")  # the same as z_seed_a on a class path
    z_a: np.ndarray = _column("<f4")  # [P, L]
    z_b: np.ndarray = _column("<f4")  # [P, L]
    margin_at_a: np.ndarray = _column("<f8")
    margin_at_b: np.ndarray = _column("<f8")
    crossings: np.ndarray = _column("<i4")  # sign changes of the margin on the grid
    length: np.ndarray = _column("<f8")  # of the path in w, along the grid
    thickness: np.ndarray = _column("<f8")  # length on which both classes are plausible
    intrusion: np.ndarray = _column("<f8")  # share of the grid whose top class is a third
    rival: np.ndarray = _column("<i2")  # space group that takes over where a is first not on top; 0 for none
    crossing: np.ndarray = _column("<f8")  # t of the first crossing; also the share of e_b in its class embedding
    margin_crossing: np.ndarray = _column("<f8")
    margin_polished: np.ndarray = _column("<f8")
    polished: np.ndarray = _column("?")  # the polish brought the point nearer to its beginning; else it stayed
    w: np.ndarray = _column("<f4")  # [P, W] the boundary point
    distance: np.ndarray = _column("<f8")  # |w - w at t = 0|
    p_a: np.ndarray = _column("<f8")  # of the boundary point
    p_b: np.ndarray = _column("<f8")

    def __len__(self) -> int:
        return len(self.kind)

    def columns(self) -> dict[str, np.ndarray]:
        """All columns by name, in the order of declaration."""
        return {column.name: getattr(self, column.name) for column in fields(self)}

    def take(self, indices: Any) -> "ProbedPaths":
        """Rows at `indices` (integers or a boolean mask), in that order."""
        return ProbedPaths(**{name: values[indices] for name, values in self.columns().items()})

    @classmethod
    def concatenate(cls, parts: "list[ProbedPaths]") -> "ProbedPaths":
        """Put the rows of several tables, at least one, under each other."""
        return cls(**{column.name: np.concatenate([getattr(part, column.name) for part in parts])
                      for column in fields(cls)})


@dataclass(frozen=True)
class ProbeFile:
    """What probe.h5 holds. provenance: stage, config, config_digest, inputs {name: digest}; summary: success rates and
    speed; digest: sha256 of paths and provenance, the same for every run of one probe on one machine ("" before it is
    written)."""

    paths: ProbedPaths
    provenance: dict[str, Any]
    summary: dict[str, Any]
    digest: str = ""


def write_probe(path: Path, probe: ProbeFile) -> str:
    """Write probe.h5, whole or not at all; returns its digest."""
    with atomic_path(path) as temporary, h5py.File(temporary, "w", libver=LIBVER) as file:
        file.attrs["format"] = fixed_text(FORMAT)
        for column in fields(probe.paths):
            values = np.asarray(getattr(probe.paths, column.name)).astype(column.metadata["dtype"])
            packing = {"compression": "gzip", "shuffle": True} if len(values) else {}
            file.create_dataset(f"{PATHS}/{column.name}", data=values, **packing)
        file["provenance"] = np.bytes_(json.dumps(probe.provenance, sort_keys=True))
        digest = content_digest(read_description(file))
        file.attrs.update(digest=fixed_text(digest), summary=fixed_text(json.dumps(probe.summary, sort_keys=True)))
    return digest


def read_probe(path: Path) -> ProbeFile:
    """Read and verify probe.h5; a missing, foreign, incomplete or damaged file is an InputError."""
    path = Path(path)
    if not path.is_file():
        raise InputError(source=path, rule="the probe file must exist", value="no file", remedy=REMEDY)
    with reported(path, rule="the probe file must be whole HDF5", remedy=REMEDY), h5py.File(path, "r") as file:
        stored = {key: read_text(file, key) for key in ("format", "digest", "summary")}
        if stored["format"] != FORMAT:
            raise InputError(source=path, rule=f"must be of format {FORMAT}", value=stored["format"] or "none",
                             remedy=REMEDY)
        content = read_description(file)
        content.pop("/@summary", None)  # it holds the time taken
        if content_digest(content) != stored["digest"]:
            raise InputError(source=path, rule="the content must match its stored sha256", value="another content",
                             remedy=REMEDY)
        columns = {column.name: content[f"/{PATHS}/{column.name}"] for column in fields(ProbedPaths)}
        for column in fields(ProbedPaths):
            values, wanted = columns[column.name], np.dtype(column.metadata["dtype"])
            if values.dtype != wanted or not values.ndim or len(values) != len(columns["kind"]):
                raise ValueError(f"column {column.name} is {values.dtype} {list(values.shape)}")
        columns["kind"] = columns["kind"].astype(str)
        return ProbeFile(ProbedPaths(**columns), json.loads(content["/provenance"].item()),
                         json.loads(stored["summary"]), stored["digest"])
