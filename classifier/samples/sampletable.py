"""The table that goes with a stack file: one row a sample, one numpy column a property."""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from classifier.foundation.errors import InputError

ORIGINS = ("simulated", "experimental", "synthetic")
PARTITIONS = ("", "train", "validation", "test")
DERIVATIONS = ("", "real", "random")


def _column(dtype: type, shape: tuple[int, ...] = (), *, unknown: Any) -> Any:
    return field(metadata={"dtype": dtype, "shape": shape, "unknown": unknown})


@dataclass(frozen=True, eq=False)
class SampleTable:
    """Properties of N samples; unknown numbers are NaN, unknown zone axes and space groups 0, unknown strings "".

    A trailing axis of length 3 runs over the three patterns of a stack, or over a, b, c (alpha, beta, gamma).
    """

    sample_id: np.ndarray = _column(str, unknown="")  # unique in a file
    space_group: np.ndarray = _column(np.int16, unknown=0)  # International Tables number, 1..230
    material: np.ndarray = _column(str, unknown="")  # the unit of splitting and of the bootstrap
    structure_type: np.ndarray = _column(str, unknown="")
    formula: np.ndarray = _column(str, unknown="")
    partition: np.ndarray = _column(str, unknown="")  # the published partition, one of PARTITIONS
    origin: np.ndarray = _column(str, unknown="")  # one of ORIGINS
    beam_energy_kev: np.ndarray = _column(np.float64, unknown=np.nan)
    zone_axis_uvw: np.ndarray = _column(np.int32, (3, 3), unknown=0)  # [pattern, uvw] of the conventional cell
    convergence_semi_angle_mrad: np.ndarray = _column(np.float64, (3,), unknown=np.nan)
    thickness_angstrom: np.ndarray = _column(np.float64, (3,), unknown=np.nan)
    cell_lengths_angstrom: np.ndarray = _column(np.float64, (3,), unknown=np.nan)
    cell_angles_degree: np.ndarray = _column(np.float64, (3,), unknown=np.nan)
    pixel_size_inv_angstrom: np.ndarray = _column(np.float64, (3,), unknown=np.nan)
    shortest_g_inv_angstrom: np.ndarray = _column(np.float64, (3,), unknown=np.nan)
    azimuth_rad: np.ndarray = _column(np.float64, (3,), unknown=np.nan)  # turn from raw pose, counter-clockwise
    provenance: np.ndarray = _column(str, unknown="")  # JSON
    derivation: np.ndarray = _column(str, unknown="")  # of the crystal, one of DERIVATIONS: from a real one, or drawn

    @classmethod
    def build(cls, n: int, **columns: Any) -> "SampleTable":
        """Make a table of n rows; a missing column takes its unknown value, a single value fills its column."""
        unknown_names = sorted(set(columns) - {column.name for column in fields(cls)})
        if unknown_names:
            raise InputError(source="sample table", rule="columns must be those of SampleTable",
                             value=", ".join(unknown_names), remedy="Correct the column's name.")
        return cls(**{column.name: _conform(column.name, columns.get(column.name, column.metadata["unknown"]),
                                            n, **column.metadata) for column in fields(cls)})

    @classmethod
    def concatenate(cls, tables: "Sequence[SampleTable]") -> "SampleTable":
        """Put the rows of several tables under each other."""
        if not tables:
            return cls.build(0)
        return cls(**{column.name: np.concatenate([getattr(table, column.name) for table in tables])
                      for column in fields(cls)})

    def __len__(self) -> int:
        return len(self.sample_id)

    def take(self, indices: Any) -> "SampleTable":
        """Rows at `indices` (integers or a boolean mask), in that order."""
        indices = np.asarray(indices) if np.size(indices) else np.zeros(0, dtype=np.int64)
        return SampleTable(**{name: values[indices] for name, values in self.columns().items()})

    def columns(self) -> dict[str, np.ndarray]:
        """All columns by name, in the order of declaration."""
        return {column.name: getattr(self, column.name) for column in fields(self)}

    def check(self, source: object) -> None:
        """Refuse (InputError naming `source` and the sample) rows that no stack file may hold."""
        _check_rows(source, self, self.sample_id == "", "sample_id", "must not be empty")
        order = np.argsort(self.sample_id, kind="stable")
        repeated = np.zeros(len(self), dtype=bool)
        repeated[order[1:]] = self.sample_id[order[1:]] == self.sample_id[order[:-1]]
        _check_rows(source, self, repeated, "sample_id", "must be unique in a file")
        _check_rows(source, self, (self.space_group < 0) | (self.space_group > 230), "space_group",
                    "must be 1..230 (0 when unknown)")
        _check_rows(source, self, ~np.isin(self.origin, ORIGINS), "origin", f"must be one of {', '.join(ORIGINS)}")
        _check_rows(source, self, ~np.isin(self.partition, PARTITIONS), "partition",
                    f"must be empty or one of {', '.join(PARTITIONS[1:])}")
        _check_rows(source, self, ~np.isin(self.derivation, DERIVATIONS), "derivation",
                    f"must be empty or one of {', '.join(DERIVATIONS[1:])}")
        _check_rows(source, self, (self.origin == "synthetic") & np.isin(self.partition, ("validation", "test")),
                    "partition", "of a synthetic sample must be empty or train")


def _conform(name: str, values: Any, n: int, *, dtype: type, shape: tuple[int, ...], unknown: Any) -> np.ndarray:
    """Bring one column to dtype and shape [n, *shape]; whatever does not fit without loss is an InputError."""
    try:
        given = np.asarray(values)
        if dtype is str:
            if given.size and not (given.dtype.kind in "UOT" and all(isinstance(text, str) for text in given.flat)):
                raise ValueError(f"dtype {given.dtype}, not text")
            if any("\0" in text for text in given.flat):
                raise ValueError("text with a NUL character")
            column = given.astype(str)
        else:
            with np.errstate(invalid="ignore"):
                column = given.astype(dtype)
            if given.dtype.kind not in "iuf" or not np.array_equal(column, given, equal_nan=given.dtype.kind == "f"):
                raise ValueError(f"{given.dtype} values that {np.dtype(dtype)} cannot hold")
        if column.shape not in ((), (n, *shape)):
            raise ValueError(f"shape {list(column.shape)}")
        return np.broadcast_to(column, (n, *shape)).copy()
    except (ValueError, TypeError, OverflowError) as error:
        raise InputError(source=f"sample table, column {name}", rule=f"must be {dtype.__name__} {[n, *shape]}",
                         value=str(error), remedy="Give one value a row, or leave the column out.") from None


def _check_rows(source: object, table: SampleTable, wrong: np.ndarray, name: str, rule: str) -> None:
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise InputError(source=f"{source}, sample {row} ({table.sample_id[row]})", rule=f"{name} {rule}",
                         value=repr(getattr(table, name)[row].item()),
                         remedy=f"Correct it; {int(wrong.sum())} rows are affected.")
