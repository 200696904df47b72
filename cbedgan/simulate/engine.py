"""Which engine draws a set's patterns: the exact one, or the renderer."""

from functools import partial

from cbedgan.render.render import render_axes
from cbedgan.simulate.cbed.simulate_config import SimulateConfig
from cbedgan.simulate.cbed.stack import Engine, exact


def engine_of(config: SimulateConfig) -> Engine:
    """The engine that the configuration asks for."""
    return exact if config.render is None else partial(render_axes, config=config.render)
