"""bench train-clf: images/s of the classifier's training beside a plain residual network's of equal work, in turns."""

from __future__ import annotations

import copy
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from itertools import cycle
from pathlib import Path
from statistics import median

import numpy as np
import torch
import torch.nn.functional as F
from rich.table import Table
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from cbedgan.bench.plain_resnet import plain_resnet, train_step
from classifier.batches import Source, class_sizes
from classifier.cache import open_or_build
from classifier.dataset import StackSet
from classifier.errors import InputError
from classifier.memory import keep_freed_memory
from classifier.prefetch import Prefetch
from classifier.ranks import Ranks
from classifier.run import progress, versions
from classifier.spacegroup import ClassMap
from classifier.state import State
from classifier.step import step
from classifier.train import choose_device, reproducible
from classifier.train_config import TrainClassifierConfig

SIDE = {"cpu": 2048, "cuda": 16384}  # of the matrices whose product stands for the machine's rate
WRITE_AT_ONCE = 64  # stacks of the made-up set


@dataclass(frozen=True)
class Speed:
    """Of one training loop: images/s (median over turns), work a stack (forward and backward) in 10^9 operations, their
    product, and its share of the matrix product's rate in the same turn (median)."""

    images_per_second: float
    gflop_per_image: float
    gflops: float
    share_of_peak: float


@dataclass(frozen=True)
class Comparison:
    """Both loops on the same made-up stacks; ratio: ours over plain in operations/s, median over turns, since their
    work differs by part of a block; plain_blocks: of its stages; peak_gflops: of the matrix product, median."""

    device: str
    size_pixels: int
    batch: int
    threads: int
    parameters: int
    plain_blocks: tuple[int, ...]
    peak_gflops: float
    ours: Speed
    plain: Speed
    ratio: float


def bench_train_classifier(config: TrainClassifierConfig, folder: Path, *, classes: int, stacks: int, steps: int,
                           repeats: int) -> Comparison:
    """Measure the training of `config` on so many made-up stacks, in `folder` for that long, in turns of `steps`.

    Ours is the whole step: reading from a training cache, augmentation, update, averaged weights. The plain loop
    indexes the same mapped tensor, augments nothing and keeps no average. A step of each and a matrix product follow
    each other, so that whatever else the machine does meets all three.
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(source=folder, rule="must be a folder to write to", value=error,
                         remedy="Name another one.") from error
    if stacks < classes:
        raise InputError(source="bench train-clf", rule="needs at least one stack of each class",
                         value=f"{stacks} stacks of {classes} classes", remedy="Ask for more stacks.")
    device, class_map = choose_device(config.device), ClassMap(tuple(range(1, classes + 1)))
    with tempfile.TemporaryDirectory(dir=folder, prefix="bench-train-clf-") as place, reproducible(config.threads):
        samples = _made_up_set(Path(place), config.view.size_pixels, stacks, class_map)
        sources = [Source.build(samples, power=config.sampling_power, weight=1.0, device=device)]
        state, sizes = State(config, class_map, device), class_sizes(config, sources).to(device)
        work = operations(state.model, samples.x[:2].to(device))
        plain, blocks, plain_work = equal_work(config, classes, work)
        plain = plain.to(device)
        optimiser = torch.optim.SGD(plain.parameters(), lr=1e-3, momentum=0.9, weight_decay=1e-4)
        order = torch.from_numpy(np.random.default_rng(1).integers(0, stacks, ((repeats + 1) * steps, config.batch)))
        turns = iter(order)

        def ours() -> None:
            step(state, config, sources, sizes, class_map, Ranks(0, 1, device))
            state.images_seen += config.batch

        def theirs() -> None:
            rows = next(turns)
            train_step(plain, optimiser, samples.x[rows].to(device), samples.class_idx[rows].to(device),
                       bf16=config.precision == "bf16")

        loops = {"ours": ours, "plain": theirs, "peak": matrix_product(device, config.precision)}
        amount = {"ours": config.batch, "plain": config.batch, "peak": 2 * SIDE[device.type] ** 3 / 1e9}
        rates: dict[str, list[float]] = {name: [] for name in loops}
        keep_freed_memory()  # as a training does; the plain loop has the good of it too
        with progress("bench train-clf", repeats + 1) as bar:
            for repeat in range(-1, repeats):  # the first turn only warms up
                seconds = dict.fromkeys(loops, 0.0)
                for number in range(steps):
                    for name in sorted(loops, reverse=bool(number % 2)):
                        seconds[name] += _seconds(loops[name], device)
                if repeat >= 0:
                    for name, rate in rates.items():
                        rate.append(steps * amount[name] / seconds[name])
                bar.advance()
    parameters = sum(weight.numel() for weight in state.model.parameters())
    mine, other = (_speed(rates[name], each, rates["peak"]) for name, each in (("ours", work), ("plain", plain_work)))
    ratios = [one * work / (two * plain_work) for one, two in zip(rates["ours"], rates["plain"], strict=True)]
    return Comparison(str(device), config.view.size_pixels, config.batch, config.threads, parameters, blocks,
                      median(rates["peak"]), mine, other, median(ratios))


def report(found: Comparison) -> Table:
    """The comparison as a table for the terminal."""
    table = Table(title=f"Training, {found.size_pixels} px, batch {found.batch}, {found.device}, {found.threads} "
                  f"threads, {found.parameters:,} parameters",
                  caption=f"matrix product: {found.peak_gflops:,.0f} Gflop/s; ours over plain: {found.ratio:.2f} in "
                          f"flop/s; plain: blocks {found.plain_blocks}, no augmentation, no averaged weights")
    for name in ("loop", "images/s", "Gflop an image", "Gflop/s", "of the matrix product"):
        table.add_column(name, justify="left" if name == "loop" else "right")
    for name, one in (("train-clf", found.ours), ("plain", found.plain)):
        table.add_row(name, f"{one.images_per_second:,.0f}", f"{one.gflop_per_image:.3f}", f"{one.gflops:,.1f}",
                      f"{one.share_of_peak:.0%}")
    return table


def to_json(found: Comparison) -> dict[str, object]:
    """The same as plain content."""
    return {**asdict(found), "cores": os.cpu_count(), "versions": versions()}


def operations(network: nn.Module, x: torch.Tensor) -> float:
    """Operations (10^9; a multiplication and an addition are two) of one stack's forward and backward pass.

    x [B, C, H, W] lies where the network does. Convolutions and matrix products are counted.
    """
    counter = FlopCounterMode(display=False)
    with counter:
        copy.deepcopy(network)(x).sum().backward()
    return counter.get_total_flops() / len(x) / 1e9


def matrix_product(device: torch.device, precision: str) -> Callable[[], object]:
    """A square matrix product in the precision of the training, "fp32" or "bf16", whose rate is the machine's."""
    side = SIDE[device.type]
    one, other = torch.randn(2, side, side, device=device, dtype=torch.bfloat16 if precision == "bf16" else None)
    ways: list[Callable[[], object]] = [lambda: torch.mm(one, other)]
    if device.type == "cpu" and precision == "fp32" and torch.backends.mkldnn.is_available():
        # The library of the convolutions; on some processors torch.mm's reaches half of its rate.
        packed = one.to_mkldnn(), other.to_mkldnn()
        ways.append(lambda: F.linear(*packed))
    for way in ways:
        way()
    return min(ways, key=lambda way: min(_seconds(way, device) for _ in range(3)))


def equal_work(config: TrainClassifierConfig, classes: int, work: float
               ) -> tuple[nn.Module, tuple[int, ...], float]:
    """The plain network of the same widths whose blocks, one more in each stage in turn, bring it nearest to `work`.

    Also its blocks and its own work (10^9 operations a stack).
    """
    model, size = config.model, config.view.size_pixels
    build = partial(plain_resnet, block=model.block, stem_width=model.stem_width, widths=model.widths, channels=3,
                    classes=classes)

    def counted(blocks: list[int]) -> float:
        with torch.device("meta"):  # nothing is computed there
            return operations(build(blocks=blocks), torch.empty(2, 3, size, size))

    blocks = [1] * len(model.widths)
    found = counted(blocks)
    of_block = [counted([1 + (other == stage) for other in range(len(blocks))]) - found for stage in range(len(blocks))]
    for stage in cycle(range(len(blocks))):
        if abs(found + of_block[stage] - work) >= abs(found - work):
            break
        blocks[stage] += 1
        found += of_block[stage]
    return build(blocks=blocks), tuple(blocks), found


def _made_up_set(folder: Path, size: int, stacks: int, class_map: ClassMap) -> StackSet:
    """A training cache of noise, with every class alike."""
    random = np.random.default_rng(0)
    parts = (random.random((min(WRITE_AT_ONCE, stacks - start), 3, size, size), dtype=np.float32)
             for start in range(0, stacks, WRITE_AT_ONCE))
    held = open_or_build(folder, name="made-up", key={"stage": "bench train-clf"}, shape=(stacks, 3, size, size),
                         blocks=parts)
    class_idx = torch.arange(stacks) % len(class_map)
    names = np.arange(stacks).astype(str)
    return StackSet(held.x, class_idx, torch.eye(len(class_map))[class_idx], names, names, names,
                    np.full(stacks, "simulated"), Prefetch(held))


def _seconds(work: Callable[[], object], device: torch.device) -> float:
    start = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start


def _speed(rates: list[float], work: float, peaks: list[float]) -> Speed:
    rate = median(rates)
    return Speed(rate, work, rate * work, median(one * work / peak for one, peak in zip(rates, peaks, strict=True)))
