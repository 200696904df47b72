"""A process that reads files which may hang or kill it: one line of JSON [kind, path] in, one line of JSON out.

The answer is ["read", sha256 of all that was read], ["refused", the InputError's text] or ["failed", a traceback].
"""

import hashlib
import json
import os
import resource
import shutil
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cbedgan.boundary.probefile import read_probe
from cbedgan.gan.network.generator import load_generator
from classifier.foundation.config import load_config, parse_config
from classifier.foundation.errors import InputError
from classifier.foundation.run import Run
from classifier.imported.hdf5 import open_hdf5
from classifier.imported.source import open_npy, open_tiff
from classifier.prediction.predict import Predictions, load_classifier
from classifier.published.prepare import PrepareConfig, prepare
from classifier.samples.split import SplitConfig, load_split
from classifier.samples.stackfile import StackFile

MEMORY = 6 << 30  # bytes of address space: what declares a terabyte must not get it


def flat(thing: Any) -> Iterator[bytes]:
    """Everything in nested dataclasses, containers, arrays and modules, as bytes in a fixed order."""
    if isinstance(thing, np.ndarray):
        yield f"{thing.dtype.kind}{thing.shape}".encode()
        yield "\0".join(thing.ravel().tolist()).encode() if thing.dtype.kind == "U" else thing.tobytes()
    elif hasattr(thing, "state_dict"):
        yield from flat(thing.state_dict())
    elif hasattr(thing, "numpy"):
        yield from flat(thing.numpy())
    elif isinstance(thing, dict):
        for key in sorted(thing, key=str):
            yield str(key).encode()
            yield from flat(thing[key])
    elif isinstance(thing, list | tuple):
        for one in thing:
            yield from flat(one)
    elif is_dataclass(thing):
        for field in fields(thing):
            yield from flat(getattr(thing, field.name))
    else:
        yield repr(thing).encode()


def read_stacks(path: Path) -> Any:
    with StackFile(path) as file:
        return [file.table, file.detector, file.pose, file.intensity_unit, file.provenance, file.mantissa_bits,
                file.digest, file.read(range(len(file)))]


def read_run(path: Path) -> Any:
    folder = path.with_suffix("")
    folder.mkdir(exist_ok=True)
    shutil.copyfile(path, folder / "run.json")
    config = SplitConfig(**json.loads((path.parent / "run_config").read_text()))
    return Run.open(folder, stage="test", config=config, inputs={"stacks": "1"}).record


def prepared(path: Path, kind: str, place: str) -> Any:
    """Prepare a set of this one published file; the stacks that come out, or the refusal."""
    source = path.with_suffix("")
    shutil.rmtree(source, ignore_errors=True)
    (source / place).parent.mkdir(parents=True)
    os.link(path, source / place)
    content = json.loads((path.parent / "prepare.json").read_text())[kind]
    out = prepare(parse_config(content, PrepareConfig, source="test"), source=source, out=source / "out.h5")
    with StackFile(out) as file:
        return [file.table, file.read(range(len(file)))]


def read_structures(path: Path) -> Any:
    from cbedgan.crystal.structure_files import crystals_from_files  # needs the extra simulate
    return crystals_from_files(path)


def read_patterns(opened: AbstractContextManager) -> Any:
    with opened as array:
        return [array.lead, array.rows, array.columns, *(array.read(place) for place in np.ndindex(array.lead))]


READERS: dict[str, Callable[[Path], Any]] = {
    "stacks": read_stacks, "split": lambda path: load_split(
        path, stack_digest=(path.parent / "stack_digest").read_text()),
    "config": lambda path: load_config(path, SplitConfig), "run": read_run, "classifier": load_classifier,
    "generator": load_generator, "probe": read_probe, "predictions": Predictions.load,
    "batch": lambda path: prepared(path, "batch", "train/batch_0.h5"),
    "stfc": lambda path: prepared(path, "stfc", "training/0.npz"),
    "cif": read_structures, "poscar": read_structures, "hspy": lambda path: read_patterns(open_hdf5(path, "auto")),
    "npy": lambda path: read_patterns(open_npy(path)), "tiff": lambda path: read_patterns(open_tiff(path))}


def answer(kind: str, path: Path) -> list[str]:
    try:
        sha = hashlib.sha256()
        for piece in flat(READERS[kind](path)):
            sha.update(piece)
        return ["read", sha.hexdigest()]
    except InputError as refusal:
        text = str(refusal)
        text.encode()  # a terminal must be able to show it
        return ["refused", text] if "\n" not in text else ["failed", f"more than one line: {text}"]
    except BaseException:
        return ["failed", traceback.format_exc()]


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no answer
    for line in sys.stdin:
        kind, path = json.loads(line)
        out.write(json.dumps(answer(kind, Path(path))) + "\n")
        out.flush()
