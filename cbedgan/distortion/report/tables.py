"""What a report of distortions says: medians with intervals for each pair of groups, over all pairs, between arms."""

from typing import Any

import numpy as np

from cbedgan.distortion.report.states import STATES
from cbedgan.distortion.report.words import of_pair, seen_in
from classifier.crystal.spacegroup import symbol
from classifier.statistics.medians import interval, medians
from classifier.statistics.metrics import shot_class

SEEN = ("t_data", "t_dose", "t_shown")  # by no classifier
MANY = 3  # paths of a pair, from which on it has a row


def tables(content: dict[str, Any]) -> dict[str, Any]:
    """All rows, from the content of paths.json."""
    paths, replicates = content["paths"], content["provenance"]["config"]["replicates"]
    seed = content["provenance"]["config"]["seed"]
    patterns = seen_in(*(content["provenance"]["config"].get(key, default)
                         for key, default in (("condition", "ideal"), ("view", ""))))
    pair = np.array([[path["space_group"], path["subgroup"]] for path in paths])
    shots = {int(group): str(shot_class(np.array([n]))[0]) for group, n in content["training_materials"].items()}
    rare = np.array([any(shots[group] == "few" for group in groups) for groups in pair.tolist()])
    state = np.array([[STATES.index(one) for one in path["state"]] for path in paths])
    columns = {"t_star": _thresholds(paths, state),
               **{name: _numbers([[path.get(name)] for path in paths]) for name in SEEN}}
    unit = np.array([path["crystal"]["material"] for path in paths])
    answers = np.array([path["answers"] for path in paths])  # [P, C, 2]
    named = (answers == pair[:, None]).all(axis=2)
    changes = np.array([path["changes"] for path in paths])

    def row(rows: np.ndarray) -> dict[str, Any]:
        """Of some paths."""
        def middle(values: np.ndarray) -> np.ndarray:
            return medians(values[rows], unit[rows], replicates=replicates, seed=seed)

        seen = {name: middle(columns[name]) for name in SEEN}
        arms = {}
        for name, numbers in content["arms"].items():
            own, there = middle(columns["t_star"][:, numbers]), state[rows][:, numbers]
            arms[name] = {
                "t_star": interval(own), "over_t_data": interval(_over(own, seen["t_data"])),
                "denied": float((there == 0).mean()), "never": float((there == 1).mean()),
                "crossed": float((there == 2).mean()), "named": float(named[rows][:, numbers].mean()),
                "repeated": float((changes[rows][:, numbers] > 1).mean())}
        return {"paths": int(rows.sum()), "crystals": len(np.unique(unit[rows])),
                **{name: interval(values) for name, values in seen.items()}, "arms": arms}

    def compared(rows: np.ndarray) -> list[dict[str, Any]]:
        """Arms beside the first, on the paths that no classifier of either denies at 0."""
        (first, before), *others = content["arms"].items()
        found = []
        for name, numbers in others:
            common = rows & (state[:, [*before, *numbers]] > 0).all(axis=1)
            if not common.any():
                continue
            both = [medians(columns["t_star"][common][:, some], unit[common], replicates=replicates, seed=seed)
                    for some in (before, numbers)]
            found.append({"arm": name, "reference": first, "paths": int(common.sum()),
                          "medians": [interval(one) for one in both], "ratio": interval(_over(both[1], both[0])),
                          "crossed": [float((state[common][:, some] == 2).mean()) for some in (before, numbers)]})
        return found

    whole = {"all pairs": np.ones(len(paths), bool), "pairs with a few-shot group": rare, "other pairs": ~rare}
    whole = {name: rows for name, rows in whole.items() if rows.any()}
    pairs = []
    for one in np.unique(pair, axis=0).tolist():
        rows = (pair == one).all(axis=1)
        if rows.sum() >= MANY:
            of = row(rows)
            pairs.append({"space_group": one[0], "subgroup": one[1], "symbols": [symbol(group) for group in one],
                          "shots": [shots[group] for group in one], **of,
                          "text": of_pair([path for path, own in zip(paths, rows, strict=True) if own], of, patterns)})
    return {"whole": {name: row(rows) for name, rows in whole.items()}, "pairs": pairs,
            "compared": {name: compared(rows) for name, rows in whole.items()}, "engines": _engines(paths),
            "within_tolerance": _within(paths, state), "patterns": patterns,
            "between": _between(content.get("between"), list(content["arms"].values())),
            "draws": content["provenance"]["config"].get("draws", 1)}


def _between(content: dict[str, Any] | None, arms: list[list[int]]) -> dict[str, Any] | None:
    """Of arcs: how many pairs of unrelated classes have any; of each such pair, and of each arm, what was found.

    Only arcs whose ends a classifier names rightly count as crossings; medians and means are of these.
    """
    if content is None:
        return None
    arcs, rows = content["arcs"], []
    pairs = sorted({tuple(arc["groups"]) for arc in arcs})
    for pair in pairs:
        own = [arc for arc in arcs if tuple(arc["groups"]) == pair]
        shown = []
        for numbers in arms:
            over = [(arc, k) for arc in own for k in numbers if arc["crossed"][k] and arc["angle"][k] is not None]
            told = {key: [arc[key][k] for arc, k in over] for key in
                    ("angle", "thickness_angstrom", "third", "common_named")}
            shown.append({"asked": len(own) * len(numbers), "crossed": len(over),
                          "repeated": sum(arc["changes"][k] > 1 for arc, k in over),
                          **{key: float(np.median(values)) if values else None for key, values in told.items()}})
        rows.append({"pair": list(pair), "symbols": [symbol(group) for group in pair], "arcs": len(own),
                     "parents": sorted({symbol(arc["crystal"]["space_group"]) for arc in own}),
                     "common": sorted({symbol(arc["common"]) for arc in own}), "arms": shown})
    return {"unrelated_pairs": content["unrelated_pairs"], "drawn_pairs": len(pairs), "arcs": len(arcs), "pairs": rows}


def _thresholds(paths: list[dict[str, Any]], state: np.ndarray) -> np.ndarray:
    """[P, C], inf where a path never crosses, nan where the classifier denies the group at 0."""
    return np.where(state == 2, _numbers([path["t_star"] for path in paths]), np.where(state == 1, np.inf, np.nan))


def _numbers(values: list[list[float | None]]) -> np.ndarray:
    """JSON knows no infinity: None is what was not reached."""
    return np.array([[np.inf if value is None else value for value in row] for row in values], dtype=np.float64)


def _over(values: np.ndarray, others: np.ndarray) -> np.ndarray:
    """The ratio, nan where both are infinite."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return values / others


def _within(paths: list[dict[str, Any]], state: np.ndarray) -> float | None:
    """Share of crossings that end with |p_a - p_b| <= 1e-3 of their sum."""
    margins = np.array([[np.nan if m is None else m for m in path["margin_at_t_star"]] for path in paths])
    left = np.abs(np.tanh(margins[state == 2] / 2))
    return float((left <= 1e-3).mean()) if len(left) else None


def _engines(paths: list[dict[str, Any]]) -> dict[str, Any] | None:
    """t* by the exact engine beside that by the renderer: how many are there, and the ratio's quartiles."""
    ratios, asked = [], 0
    for path in paths:
        for ours, theirs in zip(path["t_star"], path.get("t_star_simulated", ()), strict=False):
            asked += ours is not None
            if ours is not None and theirs is not None:
                ratios.append(theirs / ours)
    if not asked:
        return None
    return {"asked": asked, "transferred": len(ratios) / asked,
            "ratio": np.quantile(ratios, [0.25, 0.5, 0.75]).tolist() if ratios else None}
