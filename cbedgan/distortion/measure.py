"""Paths, many at once, to thresholds: where each classifier sees the distortion, and where the patterns show it."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from cbedgan.distortion.held import Engine, by_renderer, by_simulator, patterns, patterns_and_held
from cbedgan.distortion.panel import Panel
from cbedgan.distortion.paths import SymmetryPath
from cbedgan.distortion.report.states import CROSSED, DENIED, NEVER, STATES
from cbedgan.distortion.thresholds import Roots, brackets, find_roots, log_grid, sign_changes
from cbedgan.distortion.visible import difference, reached, significance
from classifier.foundation.config import Config

CHECKED_AROUND = 6.0  # times t*, to both sides, on which the exact engine looks for its own
CHECKED_AT = 5  # distortions there


class ThresholdConfig(Config):
    """On a grid of `points` distortions from least_angstrom on the margin log p(subgroup) - log p(group) is looked at;
    its first change of sign is narrowed until |margin| <= tolerance or to a relative precision, in `rounds` at most.

    least_difference: relative L1 of the diffracted disks that counts as seen; dose: electrons a pattern, with which
    counts tell so many standard deviations; simulated_rounds: of the root find by the exact engine.
    """

    least_angstrom: float = 1e-3
    points: int = 10
    tolerance: float = 0.002
    precision: float = 0.005
    rounds: int = 10
    least_difference: float = 0.02
    dose: float = 1e6
    standard_deviations: float = 5.0
    simulated_rounds: int = 4


class Thresholds(NamedTuple):
    """Of P paths and C classifiers, angstrom. margins: at 0 and at each distortion; state: place in `STATES`.

    t_star: the first distortion from which on the subgroup is likelier, nan where there is none; low, high: around it;
    margin: left there; changes: of the margin's sign along the path; answers: space group at 0 and at the end;
    t_shown: where a pattern misses a lost operation that does not stay in projection, and shown_by: which pattern and
    which operation; residuals: of each path, pattern and lost operation, at 0 and at each distortion, see
    `added_asymmetry`.
    """

    distortion: Float[np.ndarray, "P n"]
    margins: Float[np.ndarray, "P C n1"]
    state: Int[np.ndarray, "P C"]
    t_star: Float[np.ndarray, "P C"]
    low: Float[np.ndarray, "P C"]
    high: Float[np.ndarray, "P C"]
    margin: Float[np.ndarray, "P C"]
    changes: Int[np.ndarray, "P C"]
    answers: Int[np.ndarray, "P C 2"]
    t_data: Float[np.ndarray, " P"]
    t_dose: Float[np.ndarray, " P"]
    t_shown: Float[np.ndarray, " P"]
    shown_by: list[tuple[int, int] | None]
    residuals: list[list[list[list[float]]]]

    def record(self, k: int) -> dict[str, Any]:
        """One path's, as JSON content."""
        return {"distortion_angstrom": self.distortion[k].tolist(), "margins": self.margins[k].round(5).tolist(),
                "state": [STATES[s] for s in self.state[k]], "answers": self.answers[k].tolist(),
                "t_star": self.t_star[k].tolist(), "bracket": np.stack([self.low[k], self.high[k]], 1).tolist(),
                "margin_at_t_star": self.margin[k].tolist(), "changes": self.changes[k].tolist(),
                "t_data": float(self.t_data[k]), "t_dose": float(self.t_dose[k]),
                "t_shown": float(self.t_shown[k]), "shown_by": self.shown_by[k], "residuals": self.residuals[k]}


def measure(paths: Sequence[SymmetryPath], panel: Panel, config: ThresholdConfig) -> Thresholds:
    """Measure all paths in one batch."""
    groups = np.array([[path.crystal.space_group, path.subgroup] for path in paths])
    pair = panel.class_map.indices(groups)  # [P, 2]
    grid = log_grid(config.least_angstrom, np.array([path.end for path in paths]), config.points)
    places = np.concatenate([np.zeros((len(paths), 1)), grid], axis=1)
    stacks = patterns_and_held([(path.held, path.mode.cell(path.crystal, t))
                                for path, row in zip(paths, places.tolist(), strict=True) for t in row])
    logits = panel.logits(stacks.shown, [path.crystal.material for path in paths for _ in places[0]])
    logits = logits.reshape(len(logits), *places.shape, -1)  # [C, P, n + 1, K]
    margins = _margins(logits, pair).transpose(1, 0, 2)
    found = brackets(grid, margins)

    def margin(rows: np.ndarray, distortion: np.ndarray) -> np.ndarray:
        return _asked(paths, pair, panel, found.path[rows], found.member[rows], distortion)

    roots = find_roots(margin, found, tolerance=config.tolerance, precision=config.precision,
                       rounds=config.rounds)
    columns = {name: np.full(margins.shape[:2], np.nan) for name in Roots._fields}
    for name, values in roots._asdict().items():
        columns[name][found.path, found.member] = values
    state = np.where(margins[:, :, 0] >= 0, STATES.index(DENIED), STATES.index(NEVER))
    state[found.path, found.member] = STATES.index(CROSSED)
    names = np.asarray(panel.class_map.space_groups)
    answers = names[logits[:, :, [0, -1]].argmax(axis=3)].transpose(1, 0, 2)
    seen, held = (part.reshape(*places.shape, *part.shape[1:]) for part in (stacks.seen, stacks.held))
    t_data, t_dose = _seen(paths, seen, grid, config)
    residuals = [path.lost.along(own, path.outside()) for path, own in zip(paths, held, strict=True)]
    shown = [_first_shown(path, own, distortion, config.least_difference)
             for path, own, distortion in zip(paths, residuals, grid, strict=True)]
    return Thresholds(grid, margins, state, columns["distortion"], columns["low"], columns["high"], columns["margin"],
                      sign_changes(margins), answers, t_data, t_dose, np.array([t for t, _ in shown]),
                      [by for _, by in shown], residuals)


def by_exact_engine(path: SymmetryPath, panel: Panel, t_star: Float[np.ndarray, " C"], config: ThresholdConfig
                    ) -> Float[np.ndarray, " C"]:
    """The same path by the exact engine: each classifier's t* there, nan where there is none near.

    It is looked for around the median of those that the renderer gave, as time is short; narrowed as the rounds allow.
    """
    pair = panel.class_map.indices(np.array([[path.crystal.space_group, path.subgroup]]))
    middle = float(np.nanmedian(t_star))
    least, most = middle / CHECKED_AROUND, np.array([min(middle * CHECKED_AROUND, path.end)])
    grid = log_grid(least, most, CHECKED_AT)
    places = [0.0, *grid[0].tolist()]
    logits = panel.logits(patterns([(path.held, path.mode.cell(path.crystal, t)) for t in places], by_simulator),
                          [path.crystal.material] * len(places))
    found = brackets(grid, _margins(logits[:, None], pair).transpose(1, 0, 2))

    def margin(rows: np.ndarray, distortion: np.ndarray) -> np.ndarray:
        return _asked([path], pair, panel, found.path[rows], found.member[rows], distortion, by_simulator)

    roots = find_roots(margin, found, tolerance=config.tolerance, precision=10 * config.precision,
                       rounds=config.simulated_rounds)
    simulated = np.full(len(t_star), np.nan)
    simulated[found.member] = roots.distortion
    return simulated


def _margins(logits: Float[np.ndarray, "C P n K"], pair: Int[np.ndarray, "P 2"]) -> Float[np.ndarray, "C P n"]:
    """log p(subgroup) - log p(group), the difference of the logits."""
    own, lower = (np.take_along_axis(logits, pair[None, :, None, k:k + 1], axis=3)[..., 0] for k in (0, 1))
    return (lower - own).astype(np.float64)


def _asked(paths: Sequence[SymmetryPath], pair: np.ndarray, panel: Panel, path: np.ndarray, member: np.ndarray,
           distortion: np.ndarray, engine: Engine = by_renderer) -> np.ndarray:
    """Margin of one classifier on one path at a distortion, for each row."""
    stacks = patterns([(paths[p].held, paths[p].mode.cell(paths[p].crystal, t))
                       for p, t in zip(path.tolist(), distortion.tolist(), strict=True)], engine)
    return panel.margins(member, stacks, [paths[p].crystal.material for p in path.tolist()], pair[path])


def _seen(paths: Sequence[SymmetryPath], stacks: Float[np.ndarray, "P n1 3 S S"], grid: np.ndarray,
          config: ThresholdConfig) -> tuple[np.ndarray, np.ndarray]:
    """t_data and t_dose of each path."""
    t_data, t_dose = [], []
    for path, own, distortion in zip(paths, stacks, grid, strict=True):
        t_data.append(reached(distortion, difference(own[1:], own[0], path.outside()), config.least_difference))
        t_dose.append(reached(distortion, significance(own[1:], own[0], config.dose), config.standard_deviations))
    return np.array(t_data), np.array(t_dose)


def _first_shown(path: SymmetryPath, residuals: list[list[list[float]]], distortion: Float[np.ndarray, " n"],
                 bar: float) -> tuple[float, tuple[int, int] | None]:
    """The least distortion at which a residual reaches the bar, and its pattern and operation.

    What stays in projection is left out: of that only upper Laue zones show anything.

    Parameters
    ----------
    path, residuals, distortion : what it loses, and by how much the patterns miss that at the rising distortions
    bar : residual that counts
    """
    found = [(reached(distortion, np.array(residuals[pattern][rank][1:]), bar), (pattern, rank))
             for pattern, shown in enumerate(path.lost.patterns)
             for rank, one in enumerate(shown.operations) if not one.stays_in_projection]
    t, by = min(found, default=(np.inf, (0, 0)))
    return t, by if np.isfinite(t) else None
