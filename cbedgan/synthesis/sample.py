"""sample [stage]: any number of stacks of named groups from a generator alone, all accepted -> a stack file."""

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from pydantic import Field

from cbedgan.gan.network.generator import TrainedGenerator, load_generator
from cbedgan.gan.network.latents import latents
from cbedgan.synthesis.provenance import interior_record, interior_seeds, synthetic_table
from classifier.foundation.config import Config
from classifier.foundation.device import choose_device, reproducible
from classifier.foundation.errors import InputError
from classifier.foundation.run import Interrupted, StopRequest, progress, require_same_run, stage_record
from classifier.samples.stackfile import StackFile, StackWriter

BATCH, BATCH_VALUES = 256, 1 << 22  # stacks made at once, and values in them, so that memory has room at any size
Count = Annotated[int, Field(ge=1)]


class SampleConfig(Config):
    """counts: stacks of each space group, or one number for every group that the generator knows; mantissa_bits: of
    the intensities, as in the file of the real stacks, lest the rounding tell them apart."""

    seed: Annotated[int, Field(ge=0)]
    counts: dict[int, Count] | Count
    mantissa_bits: Annotated[int, Field(ge=1, le=23)]


def sample(config: SampleConfig, *, generator: Path, out: Path, device: str, threads: int) -> Path:
    """Write out, a stack file of origin "synthetic", group by group in the order of their numbers; one there is kept.

    Stack i of a group depends on seed, group and i alone, whatever else is asked for, but for the order of float32 sums
    (see regenerate). The size of a batch follows from that of the stacks, so that one machine gives one digest.

    Parameters
    ----------
    config : how many of which groups
    generator : checkpoint
    out : the stack file
    device : "cpu", "cuda" or "auto"
    threads : of the processor
    """
    out, source = Path(out), load_generator(generator)
    counts, chosen = resolve_counts(config.counts, source, generator), choose_device(device)
    if chosen.type == "cuda" and not torch.cuda.is_available():
        raise InputError(source="--device", rule="must be here", value="cuda, and no GPU", remedy="Choose cpu or auto.")
    record = stage_record("sample", config, {"generator": source.digest, "split": source.split_digest,
                                             "stacks": source.stack_digest}) | {"device": chosen.type}
    if out.exists():
        with StackFile(out) as made:
            require_same_run(out, made.provenance, record)
        return out
    groups = np.repeat(list(counts), list(counts.values()))
    number = np.concatenate([np.arange(count) for count in counts.values()])
    seeds = np.concatenate([interior_seeds(group, config.seed, range(count)) for group, count in counts.items()])
    writer = StackWriter(out, detector=source.frame.detector, pose=source.frame.pose, provenance=record,
                         intensity_unit=source.frame.intensity_unit, mantissa_bits=config.mantissa_bits)
    with StopRequest() as stop, reproducible(threads), writer, progress("sample", len(seeds)) as bar:
        for rows, intensity in _made(source, groups, seeds, chosen):
            names = [f"sample-{group}-{i:06d}" for group, i in zip(groups[rows], number[rows], strict=True)]
            records = [interior_record(group, seed=config.seed, z_seed=z_seed) | {"generator_digest": source.digest}
                       for group, z_seed in zip(groups[rows].tolist(), seeds[rows].tolist(), strict=True)]
            writer.append(intensity, synthetic_table(names, groups[rows], records))
            bar.advance(len(names))
            if stop.requested:
                raise Interrupted(stop.signal_number)
    return out


def read_counts(groups: str | None, every: int | None) -> dict[int, int] | int:
    """Read groups "225:100,216:50" as {225: 100, 216: 50}, or take the number for every group; one must be given."""
    if every is not None and groups is None:
        return every
    if groups is None or every is not None:
        raise InputError(source="cbedgan sample", rule="needs --groups or --all, and not both",
                         value=f"groups {groups}, all {every}", remedy="Write for instance --groups 225:100,216:50.")
    pairs = [pair.split(":") for pair in groups.split(",")]
    if not all(len(pair) == 2 and all(part.strip().isdecimal() for part in pair) for pair in pairs):
        raise InputError(source="--groups", rule="must be space groups with numbers of stacks", value=groups,
                         remedy="Write for instance 225:100,216:50.")
    counts = {int(group): int(count) for group, count in pairs}
    if len(counts) < len(pairs) or min(counts.values()) < 1:
        raise InputError(source="--groups", rule="must name each space group once, with a number of at least 1",
                         value=groups, remedy="Correct the list.")
    return counts


def resolve_counts(counts: dict[int, int] | int, source: TrainedGenerator, path: Path) -> dict[int, int]:
    """Number of stacks of each group in the order of group numbers; a group unknown to the generator is an error."""
    space_groups = source.class_map.space_groups
    if isinstance(counts, int):
        return dict.fromkeys(sorted(space_groups), counts)
    unknown = sorted(set(counts) - set(space_groups))
    if unknown:
        raise InputError(source=path, rule="the generator must know every group that is asked for", value=unknown,
                         remedy=f"It knows {', '.join(map(str, sorted(space_groups)))}.")
    return dict(sorted(counts.items()))


def _made(source: TrainedGenerator, groups: np.ndarray, seeds: np.ndarray,
          device: torch.device) -> Iterator[tuple[slice, np.ndarray]]:
    """Intensities float32 [n, 3, H, W] at slices of groups and seeds [N], batch by batch in turn.

    A GPU makes the next batch while the last one is packed and written.
    """
    source = replace(source, generator=source.generator.to(device))
    shape = (3, source.detector.size_pixels, source.detector.size_pixels)
    batch = max(1, min(BATCH, BATCH_VALUES // math.prod(shape)))
    class_idx = torch.from_numpy(source.class_map.indices(groups)).to(device)
    before: tuple[slice, torch.Tensor] | None = None
    for first in range(0, len(seeds), batch):
        rows = slice(first, first + batch)
        x = source.sample(latents(seeds[rows], source.latent_dim).to(device), class_idx[rows])
        made = rows, source.intensity.denormalise(x)
        if before is not None:
            yield before[0], before[1].cpu().numpy()
        before = made
    if before is not None:
        yield before[0], before[1].cpu().numpy()
