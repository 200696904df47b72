"""Several stack files as one to train on."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool

from classifier.foundation.run import require_same_run
from classifier.samples.stackfile import StackFile, StackWriter

AT_ONCE = 256  # stacks that are copied


def join(files: Mapping[str, Path], out: Path, record: dict[str, Any], *,
         keep: Mapping[str, Bool[np.ndarray, " N"]] | None = None) -> Path:
    """Write the stacks of all files, each sample named after its file, unless the file is named ""; one that
    is there is kept.

    Parameters
    ----------
    files : {name: stack file} of one kind of pattern; the first one's detector, pose and unit are the new file's
    out, record : the new file, and what it says of itself
    keep : which rows of each file; all where it is not given
    """
    if out.exists():
        with StackFile(out) as made:
            require_same_run(out, made.provenance, record)
        return out
    with StackFile(next(iter(files.values()))) as first:
        writer = StackWriter(out, detector=first.detector, pose=first.pose, intensity_unit=first.intensity_unit,
                             provenance=record, mantissa_bits=first.mantissa_bits)
    with writer:
        for name, path in files.items():
            with StackFile(path) as file:
                rows = np.arange(len(file)) if keep is None else np.flatnonzero(keep[name])
                for start in range(0, len(rows), AT_ONCE):
                    some = rows[start:start + AT_ONCE]
                    table = file.table.take(some)
                    names = np.char.add(f"{name}-", table.sample_id.astype(str)) if name else table.sample_id
                    writer.append(file.read(some), replace(table, sample_id=names))
    return out
