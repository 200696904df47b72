"""What a stage that writes one file says about itself in it."""

from typing import Any

from classifier.foundation.config import Config, digest
from classifier.foundation.run import versions


def stage_record(stage: str, config: Config, inputs: dict[str, str]) -> dict[str, Any]:
    """Return stage, configuration, digests of the input files {name: digest} and versions, for an artefact to carry."""
    return {"stage": stage, "config": config.model_dump(mode="json"), "config_digest": digest(config),
            "inputs": dict(inputs), "split_digest": inputs["split"], "versions": versions()}
