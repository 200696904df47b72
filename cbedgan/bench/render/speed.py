"""Processor time a stack, by the exact engine, by the renderer, and with gradients: in turns, stack by stack."""

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import torch

from cbedgan.render.render import render, results_of, scenes_of
from cbedgan.simulate.cbed.detector import PatternResult
from cbedgan.simulate.cbed.simulate_config import RenderConfig, SimulateConfig
from cbedgan.simulate.cbed.stack import Axis, Engine, simulated_again
from cbedgan.simulate.engine import engine_of
from classifier.foundation.run import progress
from classifier.samples.sampletable import SampleTable

GRADIENTS = "fast, with gradients"


def seconds_a_stack(exact: SimulateConfig, sizes: dict[str, SimulateConfig], table: SampleTable) -> dict[str, float]:
    """Mean processor seconds, on as many threads as PyTorch is given; cutting the slabs is part of all.

    Parameters
    ----------
    exact : configuration of the exact engine
    sizes : {name: the same by the renderer}, "fast" among them
    table : of the stacks that are made again
    """
    ways: dict[str, tuple[SimulateConfig, Engine]] = {"exact engine": (exact, engine_of(exact))}
    ways |= {name: (config, engine_of(config)) for name, config in sizes.items()}
    fast = sizes["fast"]
    assert fast.render is not None
    ways[GRADIENTS] = fast, partial(_with_gradients, config=fast.render)
    spent = dict.fromkeys(ways, 0.0)
    for name in list(ways)[1:]:
        simulated_again(ways[name][0], table.provenance[0], engine=ways[name][1])  # to warm up
    with progress("time", len(table)) as bar:
        for provenance in table.provenance.tolist():
            for name, (config, engine) in ways.items():
                spent[name] += _seconds(partial(simulated_again, config, provenance, engine=engine))
            bar.advance()
    return {name: seconds / len(table) for name, seconds in spent.items()}


def _with_gradients(axes: list[Axis], widest_tilt_mrad: float, *, config: RenderConfig) -> list[list[PatternResult]]:
    """As `render_axes`, with a backward pass to lattice, sites and scattering."""
    with torch.enable_grad():
        scenes = []
        for scene in scenes_of(axes, widest_tilt_mrad, config):
            leaves = {name: getattr(scene.atoms, name).requires_grad_() for name in ("lattice", "sites", "rows")}
            scenes.append(replace(scene, atoms=replace(scene.atoms, **leaves)))
        rendered = render(scenes)
        torch.stack([torch.log(image + 1e-6).sum() for one in rendered for image in one.images]).sum().backward()
    return [results_of(scene, one) for scene, one in zip(scenes, rendered, strict=True)]


def _seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start
