"""Training loops timed in turns beside a matrix product: shares of what the machine gives, whatever else it does."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median

import torch
import torch.nn.functional as F

from classifier.foundation.run import progress

SIDE = {"cpu": 2048, "cuda": 16384}  # of the matrices whose product stands for the machine's rate


@dataclass(frozen=True)
class Speed:
    """Of one training loop: images/s (median over turns), work a stack (forward and backward) in 10^9 operations, their
    product, and its share of the matrix product's rate in the same turn (median)."""

    images_per_second: float
    gflop_per_image: float
    gflops: float
    share_of_peak: float


def take_turns(loops: Mapping[str, Callable[[], object]], amount: Mapping[str, float], device: torch.device, *,
               steps: int, repeats: int, title: str) -> dict[str, list[float]]:
    """Rates of each loop a second, one value a turn; its calls alternate with the others'.

    Parameters
    ----------
    loops : {name: one step}
    amount : {name: what a step does}
    device : that the steps run on
    steps, repeats : in a turn, and turns
    title : of the progress bar
    """
    rates: dict[str, list[float]] = {name: [] for name in loops}
    with progress(title, repeats + 1) as bar:
        for repeat in range(-1, repeats):  # the first turn only warms up
            spent = dict.fromkeys(loops, 0.0)
            for number in range(steps):
                for name in sorted(loops, reverse=bool(number % 2)):
                    spent[name] += seconds(loops[name], device)
            if repeat >= 0:
                for name, rate in rates.items():
                    rate.append(steps * amount[name] / spent[name])
            bar.advance()
    return rates


def speed(rates: list[float], work: float, peaks: list[float]) -> Speed:
    """Of a loop's images/s by turn, its work an image, and the matrix product's 10^9 operations/s by turn."""
    rate = median(rates)
    return Speed(rate, work, rate * work, median(one * work / peak for one, peak in zip(rates, peaks, strict=True)))


def matrix_product(device: torch.device, precision: str) -> tuple[Callable[[], object], float]:
    """A square matrix product in the precision of the training, "fp32" or "bf16", whose rate is the machine's.

    And its work in 10^9 operations.
    """
    side = SIDE[device.type]
    one, other = torch.randn(2, side, side, device=device, dtype=torch.bfloat16 if precision == "bf16" else None)
    ways: list[Callable[[], object]] = [lambda: torch.mm(one, other)]
    if device.type == "cpu" and precision == "fp32" and torch.backends.mkldnn.is_available():
        # The library of the convolutions; on some processors torch.mm's reaches half of its rate.
        packed = one.to_mkldnn(), other.to_mkldnn()
        ways.append(lambda: F.linear(*packed))
    for way in ways:
        way()
    return min(ways, key=lambda way: min(seconds(way, device) for _ in range(3))), 2 * side**3 / 1e9


def seconds(work: Callable[[], object], device: torch.device) -> float:
    """How long `work` takes until the device has done it."""
    start = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start
