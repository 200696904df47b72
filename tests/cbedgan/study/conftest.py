from collections.abc import Callable
from typing import Any

import pytest

from cbedgan.study.study_config import StudyConfig
from classifier.foundation.config import parse_config
from tiny import ARM

STUDY: dict[str, Any] = {
    "arms": {"nothing": {"label": "nothing added"},
             "boundary": {"label": "boundary stacks", "source": "made", "kind": "boundary", "number": 3,
                          "references": ["interior"]},
             "interior": {"label": "interior stacks", "source": "made", "kind": "interior", "number": 3},
             "plain": {"label": "plain", "classifier": {"loss": {"kind": "focal", "gamma": 2.0}}}},
    "seeds": [0, 1, 2], "conditions": ["ideal"],
    "judgement": {"unit": "structure_type", "replicates": 600, "seed": 0, "alpha": 0.05, "band": 0.02,
                  "minimum_units": 3, "top_k": 2,
                  "primary": {"arm": "boundary", "reference": "interior", "shot": "few"}},
    "classifier": ARM}


@pytest.fixture
def study_config() -> Callable[..., StudyConfig]:
    """Factory of tiny configurations; `arms` join the others or replace them, keywords replace top-level keys."""
    def made(arms: dict[str, Any] | None = None, **changes: Any) -> StudyConfig:
        return parse_config({**STUDY, "arms": STUDY["arms"] | (arms or {}), **changes}, StudyConfig, source="test")

    return made
