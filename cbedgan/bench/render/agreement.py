"""bench render: crystals of simulated stacks rendered again, fast and at the exact size, beside the file's patterns."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from rich.table import Table

from cbedgan.bench.render.speed import seconds_a_stack
from cbedgan.bench.render.symmetry import symmetry_residuals
from cbedgan.simulate.cbed.simulate_config import RenderConfig, SimulateConfig
from cbedgan.simulate.cbed.stack import simulated_again
from cbedgan.simulate.engine import engine_of
from classifier.foundation.config import parse_config
from classifier.foundation.errors import InputError
from classifier.foundation.run import progress
from classifier.samples.sampletable import SampleTable
from classifier.samples.stackfile import StackFile

SIZES = {"fast": RenderConfig(), "exact size": RenderConfig(
    reach_inv_angstrom=1.6, most_beams=1000, ring_drift_angstrom=0.7, samples_per_pixel=2)}
FLOOR = 1e-6  # of the incident beam: what is added before a logarithm
EVERY = 5  # of so many stacks one is simulated by the exact engine as well, for symmetry and time


def bench_render(stacks: Path, *, most: int, seed: int) -> dict[str, Any]:
    """Figures of stacks drawn from a simulated set, by size of the renderer, beside those of the exact engine.

    Parameters
    ----------
    stacks : a set by the exact engine, on the axis or one of its views
    most, seed : stacks, drawn at random with this seed
    """
    with StackFile(stacks) as file:
        rows = np.random.default_rng(seed).permutation(len(file))[:most]
        table, patterns = file.table.take(rows), file.read(rows)
        config = _config(stacks, file.provenance)
        view = file.identity.condition
    plain = config.model_copy(update={"distinct": None})
    sizes = {name: plain.model_copy(update={"render": size}) for name, size in SIZES.items()}
    some = table.take(range(0, len(table), EVERY))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        figures = {name: _likeness(one, table, patterns, name) for name, one in sizes.items()}
        residuals = symmetry_residuals(plain, some, SIZES)
        seconds = seconds_a_stack(plain, sizes, some)
    finally:
        torch.set_num_threads(threads)
    return {"stacks": len(table), "view": view or "on the axis", "likeness": figures, "symmetry": residuals,
            "seconds": seconds}


def _config(stacks: Path, provenance: dict[str, Any]) -> SimulateConfig:
    """The configuration that made the file."""
    if provenance.get("stage") != "simulate" or provenance["config"].get("render") is not None:
        raise InputError(source=stacks, rule="must be a set made by `cbedgan simulate` without [render]",
                         value=f"made by {provenance.get('stage', 'no stage')}",
                         remedy="Give a set by the exact engine: the renderer is compared with it.")
    return parse_config(provenance["config"], SimulateConfig, source=stacks)


def _likeness(config: SimulateConfig, table: SampleTable, patterns: Float[np.ndarray, "n 3 H W"], title: str
              ) -> dict[str, float]:
    """Likeness of patterns rendered again to those of the file: of each pattern, then medians and the worse tenth."""
    correlation, apart, other_g1 = [], [], []
    with progress(f"render, {title}", len(table)) as bar:
        for number, provenance in enumerate(table.provenance.tolist()):
            (stack,), row = simulated_again(config, provenance, engine=engine_of(config))
            for one, expected in zip(stack.astype(np.float64), patterns[number].astype(np.float64), strict=True):
                logarithms = [np.log10(image + FLOOR).ravel() for image in (one, expected)]
                correlation.append(np.corrcoef(logarithms)[0, 1])
                apart.append(np.abs(one - expected).sum() / expected.sum())
            lengths = row.shortest_g_inv_angstrom[0] / table.shortest_g_inv_angstrom[number]
            other_g1 += (np.abs(lengths - 1) > config.detector.tie).tolist()
            bar.advance()
    named = {"correlation_median": np.median(correlation), "correlation_p10": np.quantile(correlation, 0.1),
             "l1_median": np.median(apart), "l1_p90": np.quantile(apart, 0.9), "another_g1": np.mean(other_g1)}
    return {name: float(value) for name, value in named.items()}


def report(figures: dict[str, Any]) -> Sequence[Table]:
    """Two tables: how near, and how well and fast beside the exact engine."""
    near = Table("", "correlation of logarithms (10 %)", "relative L1 (90 %)", "another g1", box=None,
                 header_style="dim", title=f"{figures['stacks']} stacks, {figures['view']}, beside the file's patterns")
    for name, one in figures["likeness"].items():
        near.add_row(name, f"{one['correlation_median']:.3f} ({one['correlation_p10']:.3f})",
                     f"{one['l1_median']:.2f} ({one['l1_p90']:.2f})", f"{one['another_g1']:.1%}")
    beside = Table("", "symmetry residual, median", "largest", "CPU seconds a stack", "stacks/s a thread",
                   "times the exact engine", box=None, header_style="dim", caption="Every fifth stack, one thread.")
    for name, seconds in figures["seconds"].items():
        residuals = figures["symmetry"].get(name)
        beside.add_row(name, *((f"{np.median(residuals):.0e}", f"{max(residuals):.0e}") if residuals else ("", "")),
                       f"{seconds:.3f}", f"{1 / seconds:.1f}", f"{figures['seconds']['exact engine'] / seconds:.0f}")
    return near, beside
