from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cbedgan.acquisition.rounds import Base
from cbedgan.acquisition.study import AcquireConfig
from classifier.foundation.config import parse_config
from tiny import ARM, GAN, INPUT, NETWORK, merged

BOUNDARY: dict[str, Any] = {
    "gan": merged(GAN, {
        "images": 192, "burn_in_share": 1.0, "intensity": INPUT["intensity"],
        "augmentation": {"probability": 1.0, "transforms": INPUT["augment"]},
        "optimiser": {"learning_rate": {"start": 1e-2, "end": 1e-3}, "max_skipped_share": 0.1},
        "penalty": {"gamma": {"start": 3.0, "end": 3.0}}, "ema": {"half_life_images": 16},
        "report": {"every_images": 192, "fidelity_samples": 8}}) | {"network": NETWORK},
    "probe": {"seed": 0, "threads": 1, "shots": ["few"], "partners": 1, "paths": 8, "kinds": ["w"],
              "follow_rivals": False, "paths_at_once": 64, "batch": 64,
              "trace": {"grid_points": 5, "tolerance": 1e-2, "plausible": 0.1, "polish_steps": 0,
                        "polish_eta": 0.5, "polish_tolerance": 0.01}}}
ACQUIRE: dict[str, Any] = {"strategies": ["random", "bald"], "seeds": [0, 1, 2], "start_materials": 5,
                           "batch_materials": 3, "rounds": 1, "members": 2, "replicates": 50, "alpha": 0.05,
                           "classifier": ARM | {"images": 32, "synthetic_share": 0.0}}


@pytest.fixture
def acquire_config() -> Callable[..., AcquireConfig]:
    """Factory of complete small configurations."""
    return lambda **changes: parse_config({**ACQUIRE, **changes}, AcquireConfig, source="test")


@pytest.fixture
def base(split_stacks: tuple[Path, Path]) -> Base:
    return Base.of(*split_stacks)


@pytest.fixture
def boundary_content() -> dict[str, Any]:
    """Content of the table [boundary] for a generator and a probe that take a second."""
    return BOUNDARY
