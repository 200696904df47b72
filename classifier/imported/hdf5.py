"""Patterns in HDF5 files of other programs: HyperSpy (.hspy), NeXus NXdata (.nxs), EMD 1.0 with py4DSTEM datacubes."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from classifier.foundation.errors import InputError, reported
from classifier.imported.source import READABLE, Axis, PatternArray
from classifier.samples.stacklayout import refuse_bomb, refuse_endless_heap, refuse_outside

LINKS_DEEP = 16
UNEVEN = 1e-3  # of a step: coordinates that differ more are no even axis
Axes = tuple[Axis | None, Axis | None]  # of rows and columns
AxesOf = Callable[[int], Axes]  # given the number of dimensions of the data


@contextmanager
def open_hdf5(path: Path, dataset: str) -> Iterator[PatternArray]:
    """Open the patterns of an HDF5 file: those at the path `dataset`, or the file's only (or default) ones, "auto"."""
    with reported(path, **READABLE):
        refuse_endless_heap(path)
        file = h5py.File(path, "r")
    with file:
        with reported(path, **READABLE):
            place, axes_of = _choose(file, dataset)
            values = _resolve(file, place)
            if not isinstance(values, h5py.Dataset):
                raise ValueError(f"{place} is a group that no layout describes")
            refuse_bomb(values)
            array = PatternArray(f"{path}, {place}", values, *axes_of(values.ndim))
        yield array


def _choose(file: h5py.File, dataset: str) -> tuple[str, AxesOf]:
    """Path of the dataset and what tells its axes."""
    described: dict[str, AxesOf] = {}
    for layout in (_hyperspy, _nexus, _emd):
        described = described or layout(file)
        if dataset != "auto":
            described = {place: axes for place, axes in layout(file).items()
                     if dataset.strip("/") in (place.strip("/"), place.strip("/").rpartition("/")[0])}
            if described:
                break
    if dataset != "auto" and not described:
        return dataset, lambda _: (None, None)
    if len(described) != 1:
        raise InputError(source=file.filename, rule="one array of patterns must be named or be the only one",
                         value=f"{len(described)}: {', '.join(described) or 'none in a HyperSpy, NeXus or EMD layout'}",
                         remedy='Name it in the configuration: dataset = "/path/in/the/file".')
    return next(iter(described.items()))


def _resolve(file: h5py.File, path: str, depth: int = 0) -> Any:
    """The object at a path, soft links followed within the file only."""
    item: Any = file
    for key in path.strip("/").split("/"):
        if not _holds(item, key):
            raise KeyError(f"nothing lies at {path}")
        link = item.get(key, getlink=True)
        if isinstance(link, h5py.ExternalLink):
            refuse_outside(file, path)
        if isinstance(link, h5py.SoftLink):
            if depth == LINKS_DEEP:
                raise KeyError(f"{path} is a circle of links")
            target = link.path if link.path.startswith("/") else f"{item.name}/{link.path}"
            item = _resolve(file, target, depth + 1)
        else:
            item = item[key]
    return item


def _hyperspy(file: h5py.File) -> dict[str, AxesOf]:
    """Signals of /Experiments: {path of data: its axes}."""
    names = _resolve(file, "Experiments") if _holds(file, "Experiments") else ()

    def axes(group: Any, _: int) -> Axes:
        described = sorted((key for key in group if key.startswith("axis-")), key=lambda key: int(key[5:]))
        sides = [group[key].attrs for key in described]
        if any(side.get("navigate", False) for side in sides[-2:]):
            raise InputError(source=f"{file.filename}, {group.name}", rule="the last two axes must span a pattern",
                             value="a navigation axis", remedy="Transpose the signal to Signal2D and save it again.")
        return _pair(_axis(float(side["scale"]), float(side["offset"]), side.get("units")) if "scale" in side else None
                     for side in sides[-2:])

    groups = [_resolve(file, f"Experiments/{name}") for name in names]
    return {f"{group.name}/data": partial(axes, group) for group in groups if _holds(group, "data")}


def _nexus(file: h5py.File) -> dict[str, AxesOf]:
    """The default NXdata group, or all of them: {path of the signal: its axes}."""
    group: Any = file
    for _ in range(LINKS_DEEP):
        if "default" not in group.attrs:
            break
        group = _resolve(file, f"{group.name}/{_text(group.attrs['default'])}")
    groups = [group] if _is_class(group, "NXdata") else []
    if not groups:
        file.visititems(lambda _, item: groups.append(item) if _is_class(item, "NXdata") else None)

    def axes(group: h5py.Group, dimensions: int) -> Axes:
        names = [_text(name) for name in np.atleast_1d(group.attrs.get("axes", []))]
        sides = names[-2:] if len(names) == dimensions else [".", "."]
        return _pair(_coordinates(file, f"{group.name}/{side}") if _holds(group, side) else None for side in sides)

    signals = [(group, _text(group.attrs.get("signal", "data"))) for group in groups]
    return {f"{group.name}/{signal}": partial(axes, group) for group, signal in signals if _holds(group, signal)}


def _emd(file: h5py.File) -> dict[str, AxesOf]:
    """Groups of EMD arrays: {path of data: its axes}; a dim vector may hold its first two values only."""
    groups: list[Any] = []

    def visit(_: str, item: h5py.Group | h5py.Dataset) -> None:
        kind = item.attrs.get("emd_group_type", "")
        if _holds(item, "data") and (_text(kind) == "array" or kind == 1):
            groups.append(item)

    file.visititems(visit)

    def axes(group: h5py.Group, dimensions: int) -> Axes:
        last = dimensions - 1 + (not _holds(group, "dim0"))  # older EMD files count from 1
        return _pair(_coordinates(file, f"{group.name}/dim{number}") if _holds(group, f"dim{number}") else None
                     for number in (last - 1, last))

    return {f"{group.name}/data": partial(axes, group) for group in groups}


def _pair(axes: Iterable[Axis | None]) -> Axes:
    rows, columns = axes
    return rows, columns


def _coordinates(file: h5py.File, path: str) -> Axis | None:
    """The even axis that a dataset of coordinates [n] describes; None for one coordinate, or what are no numbers."""
    dataset = _resolve(file, path)
    if not isinstance(dataset, h5py.Dataset) or dataset.dtype.kind not in "uif" or dataset.ndim != 1:
        return None
    refuse_bomb(dataset)
    values = np.asarray(dataset[()], dtype=np.float64)
    if len(values) < 2:
        return None
    step = np.diff(values)
    if not (np.abs(step - step.mean()) <= UNEVEN * abs(step.mean())).all():
        raise InputError(source=f"{file.filename}, {path}", rule="the pixels of a pattern must be evenly spaced",
                         value=f"steps {step.min():g}..{step.max():g}", remedy="Resample the patterns first.")
    return _axis(float(step.mean()), float(values[0]), dataset.attrs.get("units"))


def _axis(scale: float, offset: float, unit: object) -> Axis | None:
    return Axis(scale, offset, _text(unit)) if np.isfinite([scale, offset]).all() and scale != 0 else None


def _holds(item: object, key: str) -> bool:
    return isinstance(item, h5py.Group) and key not in ("", ".") and key in item  # "." is the group itself


def _is_class(item: h5py.Group | h5py.Dataset, name: str) -> bool:
    return isinstance(item, h5py.Group) and _text(item.attrs.get("NX_class", "")) == name


def _text(value: object) -> str:
    """Text of an attribute, written as bytes, text or an array of one; "" for anything else."""
    if isinstance(value, np.ndarray) and value.size == 1:
        value = value.reshape(-1)[0]
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value if isinstance(value, str) else ""
