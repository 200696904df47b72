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
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np

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
    from classifier.samples.stackfile import StackFile
    with StackFile(path) as file:
        return [file.table, file.detector, file.pose, file.intensity_unit, file.provenance, file.mantissa_bits,
                file.digest, file.read(range(len(file)))]


def read_split(path: Path) -> Any:
    from classifier.samples.split import load_split
    return load_split(path, stack_digest=(path.parent / "stack_digest").read_text())


def read_config(path: Path) -> Any:
    from classifier.foundation.config import load_config
    from classifier.samples.split import SplitConfig
    return load_config(path, SplitConfig)


def read_run(path: Path) -> Any:
    from classifier.foundation.run import Run
    from classifier.samples.split import SplitConfig
    folder = path.with_suffix("")
    folder.mkdir(exist_ok=True)
    shutil.copyfile(path, folder / "run.json")
    config = SplitConfig(**json.loads((path.parent / "run_config").read_text()))
    return Run.open(folder, stage="test", config=config, inputs={"stacks": "1"}).record


def read_classifier(path: Path) -> Any:
    from classifier.prediction.predict import load_classifier
    return load_classifier(path)


def read_generator(path: Path) -> Any:
    from cbedgan.gan.network.generator import load_generator
    return load_generator(path)


def read_probe(path: Path) -> Any:
    from cbedgan.boundary.probefile import read_probe as read
    return read(path)


def read_predictions(path: Path) -> Any:
    from classifier.prediction.predict import Predictions
    return Predictions.load(path)


def read_batch(path: Path) -> Any:
    """Prepare a set of this one batch file; the stacks that come out, or the refusal."""
    from classifier.foundation.config import load_config
    from classifier.published.prepare import PrepareConfig, prepare
    from classifier.samples.stackfile import StackFile
    folder = path.with_suffix("")
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "train").mkdir(parents=True)
    os.link(path, folder / "train" / "batch_0.h5")
    out = prepare(load_config(path.parent / "prepare.toml", PrepareConfig), source=folder, out=folder / "out.h5")
    with StackFile(out) as file:
        return [file.table, file.read(range(len(file)))]


def read_cif(path: Path) -> Any:
    from cbedgan.crystal.structure_files import crystals_from_files
    return crystals_from_files(path)


def read_poscar(path: Path) -> Any:
    return read_cif(path)


def read_stfc(path: Path) -> Any:
    """Prepare a set of this one npz file of the STFC copy."""
    from classifier.foundation.config import parse_config
    from classifier.published.prepare import PrepareConfig, prepare
    from classifier.samples.stackfile import StackFile
    folder = path.with_suffix("")
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "training").mkdir(parents=True)
    os.link(path, folder / "training" / "0.npz")
    out = prepare(parse_config(json.loads((path.parent / "stfc.json").read_text()), PrepareConfig, source="test"),
                  source=folder, out=folder / "out.h5", layout="stfc")
    with StackFile(out) as file:
        return [file.table, file.read(range(len(file)))]


def read_patterns(path: Path) -> Any:
    from classifier.imported.hdf5 import open_hdf5
    from classifier.imported.source import open_npy, open_tiff
    opened = {".hspy": lambda: open_hdf5(path, "auto"), ".npy": lambda: open_npy(path), ".tif": lambda: open_tiff(path)}
    with opened[path.suffix]() as array:
        return [array.lead, array.rows, array.columns, *(array.read(place) for place in np.ndindex(array.lead))]


def read_hspy(path: Path) -> Any:
    return read_patterns(path)


def read_npy(path: Path) -> Any:
    return read_patterns(path)


def read_tiff(path: Path) -> Any:
    return read_patterns(path)


READERS: dict[str, Callable[[Path], Any]] = {
    name.removeprefix("read_"): read for name, read in globals().items() if name.startswith("read_")}


def answer(kind: str, path: Path) -> list[str]:
    from classifier.foundation.errors import InputError
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
