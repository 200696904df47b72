"""bench train-gan: the GAN's training beside a plain loop of equal networks in turns, by size, and over processes."""

import math
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

import numpy as np
import torch
from rich.table import Table
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from cbedgan.bench.costs import Cost, costs
from cbedgan.bench.gan_processes import Alone, in_processes
from cbedgan.bench.made_up import made_up_training
from cbedgan.bench.plain_gan import PlainDiscriminator, PlainGenerator, train_step
from cbedgan.bench.scratch import scratch
from cbedgan.bench.turns import Speed, matrix_product, speed, take_turns
from cbedgan.gan.network.blocks import BASE_PIXELS, placed
from cbedgan.gan.network.discriminator import DiscriminatorConfig
from cbedgan.gan.network.pixel_generator import PixelConfig
from cbedgan.gan.network.precision import tf32
from cbedgan.gan.step import take_step
from cbedgan.gan.train_config import TrainGanConfig
from classifier.foundation.device import choose_device, reproducible
from classifier.foundation.errors import InputError
from classifier.foundation.memory import keep_freed_memory
from classifier.foundation.ranks import Ranks
from classifier.foundation.run import versions

TOP = 5  # costs that are named


@dataclass(frozen=True)
class GanSpeed:
    """Both loops at one size; parameters of our generator and discriminator; ratio: ours over plain in images/s, median
    over turns; ours.gflop_per_image counts what is done, fewer operations than autograd does for the same gradients;
    megabytes: the most that a process of its own held, on a GPU the most that it held there; costs: of our steps."""

    size_pixels: int
    batch: int
    parameters: tuple[int, int]
    peak_gflops: float
    ours: Speed
    plain: Speed
    ratio: float
    megabytes: float
    costs: tuple[Cost, ...]


@dataclass(frozen=True)
class GanBench:
    """All sizes, and the first of them shared by several processes (images/s by their number)."""

    device: str
    threads: int
    penalty_every: int
    sizes: tuple[GanSpeed, ...]
    processes: dict[int, float]


def bench_train_gan(config: TrainGanConfig, folder: Path, *, sizes: Sequence[int], processes: Sequence[int],
                    classes: int, steps: int, repeats: int, profile: bool) -> GanBench:
    """Measure the training step of a configuration on made-up stacks.

    Ours is the whole step: draws, augmentation, both updates and the averaged generator. The plain loop has the same
    widths and blocks (beside a kind of the user's own, the discriminator's mirror), and indexes the same tensor.

    Parameters
    ----------
    config : of the training
    folder : where the stacks lie for so long
    sizes, processes : sides in pixels, and numbers of processes, which share the first size
    classes : of the made-up set
    steps, repeats : in a turn, made up to whole periods of penalty.every, and turns
    profile : whether the dearest operations are named
    """
    device, period = choose_device(config.device), config.penalty.every
    steps, speeds = period * math.ceil(steps / period), []
    with scratch(folder, "bench-train-gan-") as place, reproducible(config.threads), tf32():
        for size in sizes:
            scaled = at_size(config, size, device)
            speeds.append(_measure(scaled, place / str(size), device, classes, steps, repeats, profile))
        first = at_size(config, sizes[0], device)
        alone = Alone(first, place / "processes", classes, steps * repeats)
        rates = {count: in_processes(alone, count).images_per_second for count in processes}
    return GanBench(str(device), config.threads, period, tuple(speeds), rates)


def at_size(config: TrainGanConfig, size: int, device: torch.device) -> TrainGanConfig:
    """The configuration for stacks of another size: the finest stages keep their widths, and the coarsest is repeated.

    On a CPU the batch shrinks with the number of pixels, down to 2.
    """
    network, before = config.network, config.view.size_pixels
    scaled = {}
    for name in ("generator", "discriminator"):
        convolutional = getattr(network, name)
        if not isinstance(convolutional, PixelConfig | DiscriminatorConfig):
            continue  # a kind of the user's own may have no stages
        widths, patch = convolutional.widths, convolutional.patch
        stages = math.log2(size / patch / BASE_PIXELS) + 1
        if stages < 1 or stages % 1:
            raise InputError(source="bench train-gan", rule=f"a size must be {BASE_PIXELS * patch} pixels times 2^n",
                             value=size, remedy="Choose another --size, or another patch.")
        scaled[name] = convolutional.model_copy(update={
            "widths": (*widths[:1] * (int(stages) - len(widths)), *widths[-int(stages):])})
    batch = config.batch if device.type == "cuda" else max(2, min(config.batch, config.batch * before**2 // size**2))
    return config.model_copy(update={"network": network.model_copy(update=scaled), "batch": batch,
                                     "view": config.view.model_copy(update={"size_pixels": size})})


def report(bench: GanBench) -> Table:
    """The sizes as a table for the terminal; the caption has the processes and the costs."""
    lines = [f"{one.size_pixels} px: {one.parameters[0]:,} + {one.parameters[1]:,} parameters; ours over plain "
             f"{one.ratio:.2f} in images/s; matrix product {one.peak_gflops:,.0f} Gflop/s" for one in bench.sizes]
    lines += [f"{one.size_pixels} px, dearest: " + ", ".join(
        f"{cost.operation} at {cost.side_pixels} px {cost.share:.0%}" for cost in one.costs)
        for one in bench.sizes if one.costs]
    lines += [f"{count} processes: {rate:,.2f} images/s" for count, rate in bench.processes.items()]
    table = Table(title=f"GAN training, {bench.device}, {bench.threads} threads, penalties at 1 step in "
                  f"{bench.penalty_every}", caption="\n".join(lines))
    for name in ("px", "batch", "loop", "images/s", "Gflop an image", "Gflop/s", "of the matrix product", "MB"):
        table.add_column(name, justify="left" if name == "loop" else "right")
    for one in bench.sizes:
        for name, loop, memory in (("train-gan", one.ours, f"{one.megabytes:,.0f}"), ("plain", one.plain, "")):
            table.add_row(str(one.size_pixels), str(one.batch), name, f"{loop.images_per_second:,.2f}",
                          f"{loop.gflop_per_image:.2f}", f"{loop.gflops:,.1f}", f"{loop.share_of_peak:.0%}", memory)
    return table


def to_json(bench: GanBench) -> dict[str, object]:
    """The same as plain content."""
    return {**asdict(bench), "cores": os.cpu_count(), "versions": versions()}


def _measure(config: TrainGanConfig, place: Path, device: torch.device, classes: int, steps: int, repeats: int,
             profile: bool) -> GanSpeed:
    """Both loops in turns, then our memory in a process of its own."""
    size = config.view.size_pixels
    state, data = made_up_training(config, place, classes, device)
    ranks = Ranks(0, 1, device)
    plain = _plain_loop(config, data.samples.x, data.samples.class_idx, classes, device)
    product, product_work = matrix_product(device, "fp32")
    keep_freed_memory()  # as a training does; the plain loop has the good of it too

    def ours() -> None:
        take_step(state, config, data, ranks)

    work = {name: _operations(loop, config) for name, loop in (("ours", ours), ("plain", plain))}
    rates = take_turns({"ours": ours, "plain": plain, "peak": product},
                       {"ours": config.batch, "plain": config.batch, "peak": product_work}, device, steps=steps,
                       repeats=repeats, title=f"bench train-gan, {size} px")
    dearest = costs(lambda: [ours() for _ in range(config.penalty.every)], device, most=TOP) if profile else []
    parameters = [sum(weight.numel() for weight in network.parameters())
                  for network in (state.generator, state.discriminator)]
    mine, other = (speed(rates[name], work[name], rates["peak"]) for name in ("ours", "plain"))
    ratio = median(one / two for one, two in zip(rates["ours"], rates["plain"], strict=True))
    megabytes = in_processes(Alone(config, place / "alone", classes, config.penalty.every), 1).megabytes
    return GanSpeed(size, config.batch, (parameters[0], parameters[1]), median(rates["peak"]), mine, other, ratio,
                    megabytes, tuple(dearest))


def _plain_loop(config: TrainGanConfig, x: torch.Tensor, class_idx: torch.Tensor, classes: int,
                device: torch.device) -> Callable[[], None]:
    """One step of the plain loop at every call, with penalties at every penalty_every-th, as ours has them."""
    network, random = config.network, np.random.default_rng(1)
    discriminator = network.discriminator
    generator = network.generator if isinstance(network.generator, PixelConfig) else discriminator
    sizes = {"channels": x.shape[1], "classes": classes}
    networks: list[nn.Module] = [
        PlainDiscriminator(discriminator.widths, patch=discriminator.patch, blocks=discriminator.blocks,
                           features=network.embedding_dim, **sizes),
        PlainGenerator(generator.widths, patch=generator.patch, blocks=generator.blocks,
                       latent_dim=network.generator.latent_dim, **sizes)]
    for each in networks:
        placed(each, device, 2)
    optimisers = [torch.optim.Adam(each.parameters(), lr=2e-4, betas=(0.0, 0.9), fused=True) for each in networks]
    number = 0

    def step() -> None:
        nonlocal number
        rows = torch.from_numpy(random.integers(0, len(x), config.batch)).to(x.device)
        gamma = config.penalty.gamma.start * config.penalty.every if number % config.penalty.every == 0 else 0.0
        train_step(networks[1], networks[0], optimisers, x[rows].to(device), class_idx[rows].to(device),
                   latent_dim=network.generator.latent_dim, gamma=gamma)
        number += 1

    return step


def _operations(step: Callable[[], None], config: TrainGanConfig) -> float:
    """Operations (10^9; a multiplication and an addition are two) an image, over a whole period of penalty_every."""
    counter = FlopCounterMode(display=False)
    with counter:
        for _ in range(config.penalty.every):
            step()
    return counter.get_total_flops() / (config.batch * config.penalty.every) / 1e9
