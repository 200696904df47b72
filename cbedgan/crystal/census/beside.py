"""Drawn crystals beside those of a set: how both are built, in numbers, and whether a classifier can tell them."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from cbedgan.crystal.census.descriptors import Descriptors, descriptors
from cbedgan.crystal.census.sites import SiteCounts, site_counts
from cbedgan.crystal.census.two_sample import FOLDS, area_under_curve, two_sample_test
from cbedgan.crystal.crystals import Crystal

NUMBERS = (*SiteCounts._fields, *Descriptors._fields)


def beside(drawn: Sequence[Crystal], real: Sequence[Crystal], *, seed: int) -> dict[str, Any]:
    """Compare drawn crystals with real ones, as many of each space group of both; {"crystals": 0} where there is none.

    numbers: of each way to describe a crystal, mean and quartiles of drawn and of real ones, and the chance that a real
    one has the larger ("auc"). told_apart: area under the curve of a classifier of all descriptors, with its interval
    over structure types; told_apart_real: of real ones against as many others. Both are None for too few types.
    """
    pairs = _as_many(drawn, real, seed)
    if not len(pairs):
        return {"crystals": 0}
    mine, theirs = (np.array([(*site_counts(one), *descriptors(one)) for one in some])
                    for some in zip(*pairs, strict=True))
    is_real = np.repeat([0, 1], len(pairs))
    numbers = {name: {"drawn": _spread(mine[:, i]), "real": _spread(theirs[:, i]),
                      "auc": area_under_curve(np.concatenate([mine[:, i], theirs[:, i]]), is_real)}
               for i, name in enumerate(NUMBERS)}
    return {"crystals": len(pairs), "groups": len({one.space_group for one, _ in pairs}), "numbers": numbers,
            "told_apart": _told_apart(pairs, seed), "told_apart_real": _told_apart(_halves(real, seed), seed)}


def _as_many(drawn: Sequence[Crystal], real: Sequence[Crystal], seed: int) -> list[tuple[Crystal, Crystal]]:
    """Pairs of one group, each crystal once, any of them alike."""
    mine, theirs = _by_group(drawn, seed), _by_group(real, seed)
    return [pair for group in sorted(mine.keys() & theirs.keys())
            for pair in zip(mine[group], theirs[group], strict=False)]


def _halves(real: Sequence[Crystal], seed: int) -> list[tuple[Crystal, Crystal]]:
    return [pair for some in _by_group(real, seed).values() for pair in zip(some[::2], some[1::2], strict=False)]


def _by_group(crystals: Sequence[Crystal], seed: int) -> dict[int, list[Crystal]]:
    groups: dict[int, list[Crystal]] = defaultdict(list)
    for place in np.random.default_rng(seed).permutation(len(crystals)).tolist():
        groups[crystals[place].space_group].append(crystals[place])
    return dict(sorted(groups.items()))


def _told_apart(pairs: Sequence[tuple[Crystal, Crystal]], seed: int) -> dict[str, Any] | None:
    """The two-sample test; None for fewer structure types on a side than it has folds."""
    if any(len({pair[side].structure_type for pair in pairs}) < FOLDS for side in (0, 1)):
        return None
    test = two_sample_test([one for one, _ in pairs], [other for _, other in pairs], seed=seed)
    return {"crystals": test.n_a, "estimate": test.auc, "low": test.interval[0], "high": test.interval[1]}


def _spread(values: Float[np.ndarray, " n"]) -> dict[str, Any]:
    return {"mean": float(values.mean()), "quartiles": np.percentile(values, [25, 50, 75]).tolist()}
