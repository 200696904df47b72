"""bench train-clf: images/s of the classifier's training beside a plain residual network's of equal work, in turns."""

import copy
import os
from dataclasses import asdict, dataclass
from functools import partial
from itertools import cycle
from pathlib import Path
from statistics import median

import numpy as np
import torch
from rich.table import Table
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from cbedgan.bench.made_up import made_up_set
from cbedgan.bench.plain_resnet import plain_resnet, train_step
from cbedgan.bench.scratch import scratch
from cbedgan.bench.turns import Speed, matrix_product, speed, take_turns
from classifier.crystal.spacegroup import ClassMap
from classifier.foundation.device import choose_device, reproducible
from classifier.foundation.errors import InputError
from classifier.foundation.memory import keep_freed_memory
from classifier.foundation.ranks import Ranks
from classifier.foundation.run import versions
from classifier.network.model import ModelConfig
from classifier.training.batches import Source, class_sizes
from classifier.training.state import State
from classifier.training.step import step
from classifier.training.train_config import TrainClassifierConfig


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
    """Measure the training of a configuration on made-up stacks.

    Ours is the whole step: reading from a training cache, augmentation, update, averaged weights. The plain loop
    indexes the same mapped tensor, augments nothing and keeps no average. A step of each and a matrix product follow
    each other, so that whatever else the machine does meets all three.

    Parameters
    ----------
    config : of the training
    folder : where the stacks lie for so long
    classes, stacks : of the made-up set
    steps, repeats : of each loop in a turn, and turns
    """
    if stacks < classes:
        raise InputError(source="bench train-clf", rule="needs at least one stack of each class",
                         value=f"{stacks} stacks of {classes} classes", remedy="Ask for more stacks.")
    device, class_map = choose_device(config.device), ClassMap(tuple(range(1, classes + 1)))
    with scratch(folder, "bench-train-clf-") as place, reproducible(config.threads):
        samples = made_up_set(place, config.view.size_pixels, stacks, class_map)
        sources = [Source.build(samples, sampler=config.sampler, weight=1.0, device=device)]
        state = State(config, class_map, device, samples.x.shape[1:])
        sizes = class_sizes(config, sources).to(device)
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

        product, product_work = matrix_product(device, config.precision)
        keep_freed_memory()  # as a training does; the plain loop has the good of it too
        rates = take_turns({"ours": ours, "plain": theirs, "peak": product},
                           {"ours": config.batch, "plain": config.batch, "peak": product_work}, device, steps=steps,
                           repeats=repeats, title="bench train-clf")
    parameters = sum(weight.numel() for weight in state.model.parameters())
    mine, other = (speed(rates[name], each, rates["peak"]) for name, each in (("ours", work), ("plain", plain_work)))
    ratios = [one * work / (two * plain_work) for one, two in zip(rates["ours"], rates["plain"], strict=True)]
    return Comparison(str(device), config.view.size_pixels, config.batch, config.threads, parameters, blocks,
                      median(rates["peak"]), mine, other, median(ratios))


def report(comparison: Comparison) -> Table:
    """The comparison as a table for the terminal."""
    table = Table(title=f"Training, {comparison.size_pixels} px, batch {comparison.batch}, {comparison.device}, "
                  f"{comparison.threads} threads, {comparison.parameters:,} parameters",
                  caption=f"matrix product: {comparison.peak_gflops:,.0f} Gflop/s; ours over plain: "
                          f"{comparison.ratio:.2f} in flop/s; plain: blocks {comparison.plain_blocks}, "
                          "no augmentation, no averaged weights")
    for name in ("loop", "images/s", "Gflop an image", "Gflop/s", "of the matrix product"):
        table.add_column(name, justify="left" if name == "loop" else "right")
    for name, one in (("train-clf", comparison.ours), ("plain", comparison.plain)):
        table.add_row(name, f"{one.images_per_second:,.0f}", f"{one.gflop_per_image:.3f}", f"{one.gflops:,.1f}",
                      f"{one.share_of_peak:.0%}")
    return table


def to_json(comparison: Comparison) -> dict[str, object]:
    """The same as plain content."""
    return {**asdict(comparison), "cores": os.cpu_count(), "versions": versions()}


def operations(network: nn.Module, x: torch.Tensor) -> float:
    """Operations (10^9; a multiplication and an addition are two) of one stack's forward and backward pass.

    x [B, C, H, W] lies where the network does. Convolutions and matrix products are counted.
    """
    counter = FlopCounterMode(display=False)
    with counter:
        copy.deepcopy(network)(x).sum().backward()
    return counter.get_total_flops() / len(x) / 1e9


def equal_work(config: TrainClassifierConfig, classes: int, work: float
               ) -> tuple[nn.Module, tuple[int, ...], float]:
    """The plain network of the same widths whose blocks, one more in each stage in turn, bring it nearest to `work`.

    Also its blocks and its own work (10^9 operations a stack).
    """
    model, size = config.model, config.view.size_pixels
    if not isinstance(model, ModelConfig):
        raise InputError(source="model.kind", rule="only a residual network is compared with a plain one",
                         value=model.kind, remedy="Leave kind out.")
    build = partial(plain_resnet, block=model.block, stem_width=model.stem_width, widths=model.widths, channels=3,
                    classes=classes)

    def counted(blocks: list[int]) -> float:
        with torch.device("meta"):  # nothing is computed there
            return operations(build(blocks=blocks), torch.empty(2, 3, size, size))

    blocks = [1] * len(model.widths)
    counted_work = counted(blocks)
    of_block = [counted([1 + (other == stage) for other in range(len(blocks))]) - counted_work
                for stage in range(len(blocks))]
    for stage in cycle(range(len(blocks))):
        if abs(counted_work + of_block[stage] - work) >= abs(counted_work - work):
            break
        blocks[stage] += 1
        counted_work += of_block[stage]
    return build(blocks=blocks), tuple(blocks), counted_work
