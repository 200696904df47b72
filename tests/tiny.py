"""Configurations of seconds for 16-pixel samples; a test changes single keys of a copy."""

from __future__ import annotations

from typing import Any

SPLIT: dict[str, Any] = {
    "group_by": "structure_type", "validation_fraction": 0.25, "test_fraction": 0.2, "minimum_materials": 4,
    "adopt_partition": True, "near_duplicates": "refuse", "seed": 0}
INPUT: dict[str, Any] = {
    "view": {"half_width": 2.0, "size_pixels": 16},
    "intensity": {"transform": "log", "floor": 1e-5, "per_radius": False},
    # The groups of a tiny stack file differ by the azimuth of a spot alone: turns and mirrors would mix them.
    "augment": {"mirror": False, "half_turn": False, "quarter_turns": False, "gain": 0.02, "shift_pixels": 1}}
TRAIN: dict[str, Any] = INPUT | {
    "seed": 1, "threads": 1, "device": "cpu", "precision": "fp32", "loss": {"kind": "logit_adjusted", "tau": 1.0},
    "images": 768, "batch": 16, "learning_rate": 5e-3, "warmup_images": 64, "weight_decay": 0.01, "gradient_clip": 5.0,
    "ema_half_life_images": 64, "sampling_power": 0.5, "synthetic_share": 0.25, "synthetic_weight": 0.5,
    "max_skipped_share": 0.1, "report_every_images": 128, "checkpoint_every_images": 128,
    "model": {"widths": [8, 16], "blocks": 1, "groups": 4, "dropout": 0.1}}
# As an arm of a comparison, of which there are many.
ARM: dict[str, Any] = TRAIN | {"loss": {"kind": "cross_entropy"}, "images": 48, "warmup_images": 16,
                               "ema_half_life_images": 0}
NETWORK: dict[str, Any] = {
    "latent_dim": 8, "mapping_dim": 16, "mapping_layers": 2, "embedding_dim": 8, "generator_widths": [16, 16, 8],
    "discriminator_widths": [4, 4, 4], "blocks": 1, "basis_pixels": 4, "templates": 0, "generator_patch": 1,
    "discriminator_patch": 1, "symmetric_output": False, "symmetric_input": False, "quarter_turns": False,
    "unconditional_pixels": 0, "precision": "float32"}
GAN: dict[str, Any] = INPUT | {
    "seed": 3, "threads": 1, "device": "cpu", "augment_probability": 0.7, "images": 1024, "batch": 16,
    "sampling_power": 0.5, "burn_in_share": 0.8, "penalty_every": 4, "unconditional_weight": 1.0, "class_noise": 0.1,
    "class_noise_beta": 0.9, "twins_weight": 1e-3, "twins_decorrelation": 0.05, "twins_batch": 32,
    "ema_half_life_images": 128, "ema_ramp_up": 0.5, "max_skipped_share": 0.01, "report_every_images": 160,
    "checkpoint_every_images": 96, "sheet_samples": 1, "fidelity_samples": 24,
    "learning_rate": {"start": 2e-3, "end": 2e-4}, "beta2": {"start": 0.9, "end": 0.99},
    "gamma": {"start": 0.3, "end": 0.05},
    "intensity": {"transform": "log", "floor": 1e-6, "per_radius": False},
    "augment": {"mirror": True, "half_turn": True, "quarter_turns": False, "gain": 0.02, "shift_pixels": 1},
    "network": NETWORK | {
        "mapping_layers": 1, "generator_widths": [12, 8], "discriminator_widths": [12, 8], "basis_pixels": 8,
        "templates": 4, "generator_patch": 2, "discriminator_patch": 2, "symmetric_output": True,
        "symmetric_input": True, "unconditional_pixels": 8}}
