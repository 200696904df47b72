"""Variants of a shipped one, made so small that a run takes a second; a few crystals to train on."""

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from project import CONFIGS
from small_crystals import small_set
from tiny import merged, toml

__all__ = ["small_set"]

SHIPPED = CONFIGS / "gan" / "pixels.toml"  # the files of tiny stacks hold no crystals
SMALL = {"device": "cpu", "images": 64, "batch": 16, "view": {"half_width": 2.0, "size_pixels": 16},
         "report": {"every_images": 64, "sheet_samples": 1, "fidelity_samples": 24},
         "network": {"embedding_dim": 8, "discriminator": {"widths": [8, 8], "patch": 2, "unconditional_pixels": 8},
                     "generator": {"latent_dim": 8, "mapping_dim": 16, "widths": [8, 8], "templates": 2, "patch": 2}}}


@pytest.fixture
def variants(tmp_path: Path) -> Callable[..., Path]:
    """Factory of a folder of variants: variants(name={changed key: value}, ...), each beside what makes it small."""
    def write(**changes: dict[str, Any]) -> Path:
        folder = tmp_path / "variants"
        folder.mkdir(exist_ok=True)
        for name, changed in changes.items():
            train = tomllib.loads(SHIPPED.read_text(encoding="utf-8"))["train"]
            content = {"label": name, "changes": f"of {name}", "train": merged(merged(train, SMALL), changed)}
            (folder / f"{name}.toml").write_text(toml(content), encoding="utf-8")
        return folder
    return write
