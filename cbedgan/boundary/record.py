"""What a stage that writes one file says about itself in it, and whether that file has already been made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from classifier.config import Config, digest
from classifier.errors import InputError
from classifier.run import versions


def stage_record(stage: str, config: Config, inputs: dict[str, str]) -> dict[str, Any]:
    """Return stage, configuration, digests of the input files {name: digest} and versions, for an artefact to carry."""
    return {"stage": stage, "config": config.model_dump(mode="json"), "config_digest": digest(config),
            "inputs": dict(inputs), "split_digest": inputs["split"], "versions": versions()}


def require_same(path: Path, held: dict[str, Any], record: dict[str, Any]) -> None:
    """Refuse (InputError) an existing artefact of another stage, configuration or input than this call's."""
    for key in ("stage", "config_digest", "inputs"):
        if held.get(key) != record[key]:
            raise InputError(source=path, rule=f"an existing file is kept, so its {key} must be that of this call",
                             value=f"{held.get(key)!r}, not {record[key]!r}",
                             remedy="Choose another output path, or remove this file to make it again.")
