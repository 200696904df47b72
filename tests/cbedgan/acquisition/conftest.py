from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cbedgan.acquisition.rounds import Base
from cbedgan.acquisition.study import AcquireConfig
from classifier.foundation.config import parse_config
from classifier.samples.split import SplitConfig, split

VIEW = {"half_width": 2.0, "size_pixels": 16}
INTENSITY = {"transform": "log", "floor": 1e-5, "per_radius": False}
AUGMENT = {"mirror": False, "half_turn": False, "quarter_turns": False, "gain": 0.02, "shift_pixels": 1}
CLASSIFIER: dict[str, Any] = {
    "seed": 0, "threads": 1, "device": "cpu", "precision": "fp32",
    "loss": {"kind": "cross_entropy"}, "images": 32, "batch": 16,
    "learning_rate": 5e-3, "warmup_images": 16, "weight_decay": 0.01, "gradient_clip": 5.0, "ema_half_life_images": 0,
    "sampling_power": 0.5, "synthetic_share": 0.0, "synthetic_weight": 0.0, "max_skipped_share": 0.1,
    "report_every_images": 64, "checkpoint_every_images": 64, "view": VIEW, "intensity": INTENSITY, "augment": AUGMENT,
    "model": {"widths": [8, 16], "blocks": 1, "groups": 4, "dropout": 0.0}}
BOUNDARY: dict[str, Any] = {
    "gan": {
        "seed": 0, "threads": 1, "device": "cpu", "augment_probability": 1.0, "images": 192, "batch": 16,
        "sampling_power": 0.5, "burn_in_share": 1.0, "penalty_every": 4, "unconditional_weight": 1.0,
        "class_noise": 0.0, "class_noise_beta": 0.99, "twins_weight": 0.0, "twins_decorrelation": 0.05,
        "twins_batch": 8, "ema_half_life_images": 16, "ema_ramp_up": 0.1, "max_skipped_share": 0.1,
        "report_every_images": 192, "checkpoint_every_images": 192, "sheet_samples": 1, "fidelity_samples": 8,
        "learning_rate": {"start": 1e-2, "end": 1e-3}, "beta2": {"start": 0.9, "end": 0.99},
        "gamma": {"start": 3.0, "end": 3.0}, "view": VIEW, "intensity": INTENSITY, "augment": AUGMENT,
        "network": {"latent_dim": 8, "mapping_dim": 16, "mapping_layers": 2, "embedding_dim": 8,
                    "generator_widths": [16, 16, 8], "discriminator_widths": [4, 4, 4], "blocks": 1,
                    "basis_pixels": 4, "templates": 0, "generator_patch": 1, "discriminator_patch": 1,
                    "symmetric_output": False, "symmetric_input": False, "quarter_turns": False,
                    "unconditional_pixels": 0, "precision": "float32"}},
    "probe": {"seed": 0, "threads": 1, "shots": ["few"], "partners": 1, "paths": 8, "kinds": ["w"],
              "follow_rivals": False, "paths_at_once": 64, "batch": 64,
              "trace": {"grid_points": 5, "tolerance": 1e-2, "plausible": 0.1, "polish_steps": 0,
                        "polish_eta": 0.5, "polish_tolerance": 0.01}}}
ACQUIRE: dict[str, Any] = {"strategies": ["random", "bald"], "seeds": [0, 1, 2], "start_materials": 5,
                           "batch_materials": 3, "rounds": 1, "members": 2, "replicates": 50, "alpha": 0.05,
                           "classifier": CLASSIFIER}


@pytest.fixture
def acquire_config() -> Callable[..., AcquireConfig]:
    """Factory of complete small configurations."""
    return lambda **changes: parse_config({**ACQUIRE, **changes}, AcquireConfig, source="test")


@pytest.fixture
def base(tmp_path: Path, tiny_stack_file: Callable[..., Path]) -> Base:
    """A tiny stack file of four groups with its split: 4 training and 2 test materials in each group."""
    stacks = tiny_stack_file()
    config = SplitConfig(group_by="structure_type", validation_fraction=0.0, test_fraction=0.3, minimum_materials=2,
                         adopt_partition=True, near_duplicates="drop", seed=0)
    return Base.of(stacks, split(config, stacks=stacks, out=tmp_path / "split.json"))


@pytest.fixture
def boundary_content() -> dict[str, Any]:
    """Content of the table [boundary] for a generator and a probe that take a second."""
    return BOUNDARY
