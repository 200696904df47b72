"""Judge predictions whose truth is known, of one classifier or of several seeds: judgement.json and a page of it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from classifier.crystal.levels import LEVELS, restrict
from classifier.crystal.separation import SEPARATIONS, label, separation_matrix
from classifier.crystal.spacegroup import crystal_system, enantiomorph, point_group_order, symbol
from classifier.crystal.subgroups import MAXIMAL_SUBGROUPS, direct_edges, related
from classifier.foundation.atomic import plain, read_json, write_json
from classifier.foundation.errors import InputError
from classifier.judgement.page import write_page
from classifier.judgement.readings import Reading, readings
from classifier.prediction.predict import COLUMNS, Predictions
from classifier.prediction.scores import COVERAGE, STEMDL_BATCH, batch_averaged_f1, count_types, measure
from classifier.statistics import metrics
from classifier.statistics.calibration_maps import fit_temperature
from classifier.statistics.measured import Measured

SINGLE = ("balanced_accuracy", "macro_f1", "few_recall", "medium_recall", "many_recall", "calibration_error",
          "scaled_calibration_error", "direct_edge_share", "direct_edge_share_by_chance", "direct_edge_enrichment",
          *(f"{level}_{name}" for level in LEVELS for name in ("accuracy", "balanced_accuracy")))
WORST = 15  # confusions named
SCALED = ("calibration_error", "bin_share", "bin_confidence", "bin_accuracy")


@dataclass(frozen=True, eq=False)
class Judged:
    """Predictions of the same samples, one for each seed; left_out: samples of groups that no answer could name."""

    seeds: list[Predictions]
    temperatures: list[float | None]
    training_materials: np.ndarray | None
    left_out: int


def judge(paths: Sequence[Path], *, part: str, space_groups: Sequence[int] | None, out: Path,
          before: Sequence[Path] = ()) -> Path:
    """Write out/judgement.json and out/judgement.html of these predictions.npz; return the path of the page.

    Parameters
    ----------
    paths : of one method, one a seed
    part : of the split, which is judged
    space_groups : when given, only these are judged and answered
    out : folder
    before : predictions of the same samples by another method, one a seed, whose errors are set beside
    """
    judged = read(paths, part=part, space_groups=space_groups)
    earlier = read(before, part=part, space_groups=space_groups) if before else None
    if earlier is not None:
        _require_same(judged.seeds[0], earlier.seeds[0], before[0])
    content = judgement(judged, part=part, before=earlier)
    content["inputs"] = _inputs(paths, judged)
    content["inputs_before"] = _inputs(before, earlier) if earlier is not None else []
    write_json(Path(out) / "judgement.json", content)
    return write_page(Path(out) / "judgement.html", content)


def _inputs(paths: Sequence[Path], judged: Judged) -> list[dict[str, str]]:
    return [{"file": str(path), **_digests({"split_digest": one.split_digest, **one.provenance})}
            for path, one in zip(paths, judged.seeds, strict=True)]


def _digests(provenance: dict[str, Any]) -> dict[str, str]:
    return {name: value for name, value in provenance.items()
            if name.endswith("digest") and value and isinstance(value, str)}


def read(paths: Sequence[Path], *, part: str, space_groups: Sequence[int] | None) -> Judged:
    """Read one part of several predictions, in one order; those of other samples or another split are an InputError."""
    seeds, temperatures, left_out = [], [], 0
    for path in paths:
        whole = Predictions.load(path)
        if space_groups is not None:
            whole = replace(whole, logits=restrict(whole.logits, whole.class_map, space_groups))
        answered = np.asarray(whole.class_map.space_groups)[np.isfinite(whole.logits).any(axis=0)]
        answerable = np.isin(whole.space_group, answered)
        chosen = whole.part == part
        left_out = int((chosen & ~answerable).sum())
        seeds.append(_rows(whole, np.flatnonzero(chosen & answerable)))
        if not len(seeds[-1].logits):
            parts = ", ".join(repr(str(name)) for name in np.unique(whole.part[answerable])) or "none"
            raise InputError(source=path, rule=f"must hold labelled samples of the part {part!r}", value=parts,
                             remedy="Name a part that it has with --part, or judge other predictions.")
        temperatures.append(_temperature(_rows(whole, np.flatnonzero((whole.part == "validation") & answerable)))
                            if part != "validation" else None)
        _require_same(seeds[0], seeds[-1], path)
    return Judged(seeds, temperatures, _training_materials(paths, seeds[0]), left_out)


def _rows(predictions: Predictions, rows: np.ndarray) -> Predictions:
    """Some rows, in the order of their names."""
    rows = rows[np.argsort(predictions.sample_id[rows], kind="stable")]
    return replace(predictions, **{name: getattr(predictions, name)[rows] for name in COLUMNS})


def _require_same(first: Predictions, other: Predictions, path: Path) -> None:
    same = {"split": first.split_digest == other.split_digest, "class map": first.class_map == other.class_map,
            "samples": np.array_equal(first.sample_id, other.sample_id)
            and np.array_equal(first.space_group, other.space_group)}
    if not all(same.values()):
        raise InputError(source=path, rule="predictions that are judged together must be of one split and its samples",
                         value=f"another {', '.join(name for name, alike in same.items() if not alike)}",
                         remedy="Judge it by itself; cbedgan rank ranks different methods.")


def _temperature(validation: Predictions) -> float | None:
    """Temperature that the validation part asks for; None without one."""
    if not len(validation.logits):
        return None
    truth = validation.class_map.indices(validation.space_group)
    finite = np.maximum(validation.logits, np.finfo(np.float32).min / 4)
    return fit_temperature(finite, truth, metrics.material_weights(validation.material))


def _training_materials(paths: Sequence[Path], predictions: Predictions) -> np.ndarray | None:
    """Training materials of each class, int64 [K], from the result.json beside the predictions; None if unknown."""
    counts = set()
    for path in paths:
        beside = Path(path).parent / "result.json"
        rows = [entry["groups"] for entry in read_json(beside).values() if isinstance(entry, dict) and "groups" in entry
                ] if beside.exists() else []
        if not rows or set(rows[0]) != {str(group) for group in predictions.class_map.space_groups}:
            return None
        counts.add(tuple(rows[0][str(group)]["training_materials"] for group in predictions.class_map.space_groups))
    return np.array(counts.pop(), dtype=np.int64) if len(counts) == 1 else None


def judgement(judged: Judged, *, part: str, before: Judged | None = None) -> dict[str, Any]:
    """Everything that the page says, as JSON content; what cannot be computed is None."""
    first, several = judged.seeds[0], _measured_seeds(judged)
    mean = Measured.mean(several, seed=0)
    now = Reading(mean, judged.training_materials)
    earlier = before and Reading(Measured.mean(_measured_seeds(before), seed=0), before.training_materials)
    truth, classes = first.class_map.indices(first.space_group), len(first.class_map)
    weight = metrics.material_weights(first.material)
    confusion = np.mean([metrics.confusion(truth, one.logits.argmax(axis=1), classes, weight) for one in judged.seeds],
                        axis=0)
    scores = {name: {**mean.content(name), "per_seed": [float(one.values[name][0]) for one in several]}
              for name in SINGLE if name in mean.values}
    return plain({
        "part": part, "samples": len(first.logits), "materials": round(weight.sum()), "seeds": len(several),
        "left_out": judged.left_out, "resampled_by": mean.unit, "space_groups": list(first.class_map.space_groups),
        "scores": scores,
        **{name: _row(mean, name) for name in ("accuracy_within", "accuracy_gain", "accuracy_at_coverage")},
        "batch_averaged_f1": {"batch": STEMDL_BATCH, "per_seed": [batch_averaged_f1(one) for one in judged.seeds]},
        "temperatures": judged.temperatures,
        "coverage": COVERAGE.tolist(),
        "reliability": {prefix or "as_is": {name: mean.estimate(f"{prefix}bin_{name}")
                                            for name in ("share", "confidence", "accuracy")}
                        for prefix in ("", "scaled_") if f"{prefix}bin_share" in mean.values},
        "groups": _groups(judged, mean), "confusion": metrics.ratio(
            confusion, confusion.sum(axis=1, keepdims=True) + np.zeros_like(confusion)).tolist(),
        "direct_edges": np.argwhere(direct_edges(first.class_map)).tolist(),
        "worst": _worst(confusion, judged.seeds[0]), "derivations": _derivations(judged),
        **readings(now, earlier)})


def _derivations(judged: Judged) -> dict[str, dict[str, Any]]:
    """Scores of real-derived and of random crystals apart, by name; {} where nobody says which are which."""
    apart = {}
    for name, first in judged.seeds[0].by_derivation().items():
        several = [measure(one.by_derivation()[name], judged.training_materials) for one in judged.seeds]
        mean = Measured.mean(several, seed=0)
        apart[name] = {
            "samples": len(first.logits), "materials": len(np.unique(first.material)),
            "structure_types": count_types(first), "groups": len(np.unique(first.space_group)),
            "scores": {score: {**mean.content(score), "per_seed": [float(one.values[score][0]) for one in several]}
                       for score in (*SINGLE[:5], "calibration_error") if score in mean.values},
            "accuracy_within": _row(mean, "accuracy_within")}
    return apart


def _measured_seeds(judged: Judged) -> list[Measured]:
    return [_measured(*pair, judged.training_materials)
            for pair in zip(judged.seeds, judged.temperatures, strict=True)]


def _measured(predictions: Predictions, temperature: float | None, training_materials: np.ndarray | None) -> Measured:
    """What `measure` gives, and its calibration after division by the temperature, under names with "scaled_"."""
    measured = measure(predictions, training_materials)
    if temperature is None:
        return measured
    scaled = measure(replace(predictions, logits=predictions.logits / temperature), None).values
    return Measured(measured.values | {f"scaled_{name}": scaled[name] for name in SCALED}, measured.unit)


def _row(measured: Measured, name: str) -> list[dict[str, float]]:
    return [{"estimate": estimate, "low": low, "high": high}
            for estimate, (low, high) in zip(measured.values[name][0].tolist(), measured.intervals(name), strict=True)]


def _groups(judged: Judged, measured: Measured) -> list[dict[str, Any]]:
    """One row a judged group: what it is, how many materials train and test it, and its recall."""
    first, train = judged.seeds[0], judged.training_materials
    materials = metrics.materials_per_class(first.class_map.indices(first.space_group), first.material,
                                            len(first.class_map))
    return [{"space_group": group, "symbol": symbol(group), "crystal_system": crystal_system(group),
             "order": point_group_order(group), "materials": int(materials[k]), "recall": recall,
             "training_materials": None if train is None else int(train[k])}
            for k, group, recall in zip(range(len(materials)), first.class_map.space_groups, _row(measured, "recall"),
                                        strict=True) if materials[k]]


def _worst(confusion: np.ndarray, predictions: Predictions) -> list[dict[str, Any]]:
    """The most frequent errors, counted in materials (mean over seeds), with what separates and relates the pair."""
    groups, chain = predictions.class_map.space_groups, related(predictions.class_map)
    separations, separated_by = list(SEPARATIONS), separation_matrix(predictions.class_map)
    wrong = confusion - np.diag(np.diagonal(confusion))
    order = np.argsort(-wrong, axis=None, kind="stable")[:WORST]
    return [{"truth": groups[i], "answer": groups[j], "materials": float(wrong[i, j]),
             "share": float(wrong[i, j] / confusion[i].sum()),
             "separation": label(separations[separated_by[i, j]]),
             "relation": _relation(groups[i], groups[j], bool(chain[i, j]))}
            for i, j in zip(*np.unravel_index(order, wrong.shape), strict=True) if wrong[i, j] > 0]


def _relation(truth: int, answer: int, chained: bool) -> str:
    if enantiomorph(truth) == answer:
        return "its mirror image"
    if answer in MAXIMAL_SUBGROUPS[truth]:
        return "a maximal subgroup" + (" and a supergroup" if truth in MAXIMAL_SUBGROUPS[answer] else "")
    if truth in MAXIMAL_SUBGROUPS[answer]:
        return "a minimal supergroup"
    return "related through others" if chained else "not related"
