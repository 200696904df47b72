"""Configurations of seconds for 16-pixel samples, of which a test changes single keys; how they are written."""

import json
from typing import Any

SPLIT: dict[str, Any] = {
    "group_by": "structure_type", "validation_fraction": 0.25, "test_fraction": 0.2, "minimum_materials": 4,
    "adopt_partition": True, "near_duplicates": "refuse", "seed": 0}
INPUT: dict[str, Any] = {
    "view": {"half_width": 2.0, "size_pixels": 16}, "intensity": {"floor": 1e-5},
    # The groups of a tiny stack file differ by the azimuth of a spot alone: turns and mirrors would mix them.
    "augment": {"mirror": False, "half_turn": False, "gain": 0.02, "shift_pixels": 1}}
TRAIN: dict[str, Any] = INPUT | {
    "seed": 1, "device": "cpu", "loss": {"kind": "logit_adjusted", "tau": 1.0}, "images": 768, "batch": 16,
    "learning_rate": 5e-3, "warmup_images": 64, "weight_decay": 0.01, "ema_half_life_images": 64,
    "sampling_power": 0.5, "max_skipped_share": 0.1, "report_every_images": 128, "checkpoint_every_images": 128,
    "model": {"widths": [8, 16], "groups": 4, "dropout": 0.1}}
# As an arm of a comparison, of which there are many.
ARM: dict[str, Any] = TRAIN | {"loss": {"kind": "cross_entropy"}, "images": 48, "warmup_images": 16,
                               "ema_half_life_images": 0}
NETWORK: dict[str, Any] = {
    "embedding_dim": 8, "generator": {"kind": "pixels", "latent_dim": 8, "mapping_dim": 16, "widths": [16, 16, 8]},
    "discriminator": {"widths": [4, 4, 4], "symmetric_input": False}}
GAN: dict[str, Any] = {
    "seed": 3, "device": "cpu", "images": 1024, "batch": 16, "burn_in_share": 0.8, "checkpoint_every_images": 96,
    "view": INPUT["view"], "intensity": {},
    "augmentation": {"probability": 0.7, "transforms": INPUT["augment"] | {"mirror": True, "half_turn": True}},
    "network": {"embedding_dim": 8,
                "generator": {"kind": "pixels", "latent_dim": 8, "mapping_dim": 16, "mapping_layers": 1,
                              "widths": [12, 8], "patch": 2, "basis_pixels": 8, "templates": 4,
                              "symmetric_output": True},
                "discriminator": {"widths": [12, 8], "patch": 2, "unconditional_pixels": 8}},
    "optimiser": {"learning_rate": {"start": 2e-3, "end": 2e-4}, "generator_rate": 1.0},
    "penalty": {"gamma": {"start": 0.3, "end": 0.05}},
    "ema": {"half_life_images": 128, "ramp_up": 0.5},
    "report": {"every_images": 160, "sheet_samples": 1, "fidelity_samples": 24}}


def merged(content: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """The content with single keys replaced, also within its tables; a table with a kind is replaced whole."""
    return content | {key: merged(content.get(key) or {}, value) if isinstance(value, dict) and "kind" not in value
                      else value for key, value in changes.items()}


def toml(content: dict[str, Any], prefix: str = "") -> str:
    """Plain TOML of nested dictionaries."""
    lines = [f"{key} = {json.dumps(value)}" for key, value in content.items() if not isinstance(value, dict)]
    for key, value in content.items():
        if isinstance(value, dict):
            lines += [f"[{prefix}{key}]", toml(value, f"{prefix}{key}.")]
    return "\n".join(lines)


def frame_of(file: Any) -> dict[str, Any]:
    """What a stack file says of all its stacks, to write others like them."""
    return {"detector": file.detector, "pose": file.pose, "intensity_unit": file.intensity_unit}
