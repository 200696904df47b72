"""Which calibration to fit, and the choice among several by cross-validation over structure types."""

from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
from jaxtyping import Float, Int, Shaped
from pydantic import Field

from classifier.foundation.config import Config
from classifier.statistics.calibration_maps import (
    LEAST_PROBABILITY,
    CalibrationMap,
    Dirichlet,
    Temperature,
    fit_dirichlet,
    fit_first_answer,
    fit_temperature,
)
from classifier.statistics.venn_abers import VennAbers, fit_venn_abers

PENALTIES = (10.0, 100.0, 1000.0)  # of the Dirichlet map, in samples
KINDS = ("temperature", "first_answer", "dirichlet", "venn_abers")
FOLDS = 5  # of the samples that calibration is fitted on


class CalibrationConfig(Config):
    """kind: of the map from logits to probabilities, "best" being the one that cross-validation favours; folds: of
    train and validation together, each of which one more training leaves out and answers; 0: validation alone."""

    kind: Literal["temperature", "first_answer", "dirichlet", "venn_abers", "best"] = "temperature"
    folds: Annotated[int, Field(ge=0, le=20)] = 0


class FittedMap(NamedTuple):
    """A map, what it would say of each sample [N, K] were it fitted without its fold, and the error of each tried.

    The error is the mean square of confidence less being right (Brier 1950).
    """

    map: CalibrationMap
    held_out: np.ndarray
    errors: dict[str, float]


def fit_map(kind: str, logits: Float[np.ndarray, "N K"], truth: Int[np.ndarray, " N"], weight: Float[np.ndarray, " N"],
            unit: Shaped[np.ndarray, " N"]) -> FittedMap:
    """The map of one kind, or the best of all, by the error over folds of whole units.

    Parameters
    ----------
    kind : of KINDS, or "best"
    logits, truth, weight : of samples that the classifier was not trained on
    unit : of each sample, its structure type: one unit is never on both sides of a fold
    """
    tried, fold = _candidates(kind), _folds(unit, truth)
    held_out, errors = {}, {}
    for name, fit in tried.items():
        p = np.empty(np.shape(logits))
        for number in np.unique(fold):
            held = fold == number
            p[held] = fit(logits[~held], truth[~held], weight[~held]).probability(logits[held])
        p = np.maximum(p, LEAST_PROBABILITY)
        wrong = np.square(p.max(axis=1) - (p.argmax(axis=1) == truth))
        held_out[name], errors[name] = p, float(weight @ wrong / weight.sum())
    best = min(errors, key=errors.__getitem__)
    return FittedMap(tried[best](logits, truth, weight), held_out[best], errors)


def map_from_state(state: dict[str, Any]) -> CalibrationMap:
    """Rebuild a map from its `state()`."""
    match state["kind"]:
        case "dirichlet":
            return Dirichlet(state["weight"].numpy(), state["bias"].numpy())
        case "venn_abers":
            return VennAbers(*(state[name].numpy() for name in ("score", "low", "high")))
        case "temperature" | "first_answer" as kind:
            return Temperature(kind, float(state["value"]))
        case other:
            raise ValueError(f"a calibration of the kind {other}")


def _candidates(kind: str) -> dict[str, Any]:
    """Name and fit of every map that is tried for a kind."""
    fits: dict[str, dict[str, Any]] = {
        "temperature": {"temperature": lambda *seen: Temperature("temperature", fit_temperature(*seen))},
        "first_answer": {"first_answer": lambda *seen: Temperature("first_answer", fit_first_answer(*seen))},
        "dirichlet": {f"dirichlet, penalty {penalty:g}": _dirichlet(penalty) for penalty in PENALTIES},
        "venn_abers": {"venn_abers": fit_venn_abers}}
    return {name: fit for each in (KINDS if kind == "best" else (kind,)) for name, fit in fits[each].items()}


def _dirichlet(penalty: float) -> Any:
    return lambda *seen: fit_dirichlet(*seen, penalty=penalty)


def _folds(unit: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Fold of each sample, from 0: whole units, dealt class by class so that every fold has its share of each.

    Where there are fewer units than folds, every sample is one.
    """
    if len(np.unique(unit)) < FOLDS:
        unit = np.arange(len(unit))
    _, first, code = np.unique(unit, return_index=True, return_inverse=True)
    order = np.lexsort((np.random.default_rng(0).permutation(len(first)), truth[first]))
    place = np.empty(len(first), dtype=np.int64)
    place[order] = np.arange(len(first)) % FOLDS
    return place[code]

