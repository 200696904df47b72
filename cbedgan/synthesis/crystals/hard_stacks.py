"""Hard stacks: of a pool of interior ones those whose group classifiers deny, as `choose` takes them."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from cbedgan.choice.choose import look
from cbedgan.choice.preference import drawn
from cbedgan.synthesis.crystals.synthesize_config import HardConfig
from classifier.prediction.predict import TrainedClassifier, load_classifier


def denied(classifiers: tuple[Path, ...], stacks: Path, config: HardConfig) -> list[float]:
    """The probability that classifiers give the group of each stack of a file."""
    return look(_loaded(classifiers), stacks, config.condition).probability.tolist()


def preferred(records: Sequence[dict[str, Any]], count: int, config: HardConfig, key: Sequence[int]
              ) -> list[np.ndarray]:
    """Rows of each part of a group's pool that are kept, by the probabilities that its records hold.

    Parameters
    ----------
    records : of the parts
    count : of all rows to keep
    config : which are preferred
    key : seeds of the draw
    """
    sizes = [one["made"] for one in records]
    probability = np.array([p for one in records for p in one.get("probability", ())])
    kept = np.zeros(len(probability), dtype=bool)
    kept[drawn(config.preference.weights(probability), count, np.random.default_rng([*key]))] = True
    return [np.flatnonzero(some) for some in np.split(kept, np.cumsum(sizes)[:-1])]


@lru_cache(maxsize=1)
def _loaded(classifiers: tuple[Path, ...]) -> list[TrainedClassifier]:
    return [load_classifier(path) for path in classifiers]
