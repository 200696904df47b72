"""Where a classifier's margin along many paths changes its sign: first on a grid, then by a bracketed root find."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

FIRST = 1e-3  # of the grid's least distortion: stands for 0 on a logarithmic scale


class Brackets(NamedTuple):
    """R sign changes from negative to positive margins, between two distortions in angstrom. path, member: whose."""

    path: Int[np.ndarray, " R"]
    member: Int[np.ndarray, " R"]
    low: Float[np.ndarray, " R"]
    high: Float[np.ndarray, " R"]
    margin_low: Float[np.ndarray, " R"]
    margin_high: Float[np.ndarray, " R"]


class Roots(NamedTuple):
    """distortion: angstrom, where the margin is within the tolerance, or the middle of low and high, which enclose its
    jump over 0; margin: the least that was met."""

    distortion: Float[np.ndarray, " R"]
    margin: Float[np.ndarray, " R"]
    low: Float[np.ndarray, " R"]
    high: Float[np.ndarray, " R"]


def log_grid(least: float, most: Float[np.ndarray, " P"], points: int) -> Float[np.ndarray, "P {points}"]:
    """Distortions with equal ratios, from `least` to each path's end."""
    return least * (most[:, None] / least)**np.linspace(0, 1, points)


def brackets(distortion: Float[np.ndarray, "P n"], margins: Float[np.ndarray, "P C n1"]) -> Brackets:
    """The first sign change of each path and classifier that begins with a negative margin.

    margins: at 0, and at each of the rising distortions.
    """
    negative = margins < 0
    change = negative[:, :, :-1] & ~negative[:, :, 1:]
    path, member = np.nonzero(negative[:, :, 0] & change.any(axis=2))
    first = change[path, member].argmax(axis=1)
    places = np.concatenate([FIRST * distortion[:, :1], distortion], axis=1)
    return Brackets(path, member, places[path, first], places[path, first + 1], margins[path, member, first],
                    margins[path, member, first + 1])


def sign_changes(margins: Float[np.ndarray, "P C n1"]) -> Int[np.ndarray, "P C"]:
    """How often the margin changes its sign from one distortion to the next."""
    return np.diff(margins >= 0, axis=2).sum(axis=2)


def find_roots(margin: Callable[[Int[np.ndarray, " r"], Float[np.ndarray, " r"]], Float[np.ndarray, " r"]],
               some: Brackets, *, tolerance: float, precision: float, rounds: int, logarithmic: bool = True) -> Roots:
    """Narrow all brackets at once, on a logarithmic scale or not, until each margin is within the tolerance or the
    bracket is narrow: margins have small jumps, and large ones where the detector takes another reflection for the
    shortest.

    False position with the Illinois rule (Dowell and Jarratt 1971, BIT 11, 168): the margin of an end that stays twice
    counts half. Every second round halves the bracket.

    Parameters
    ----------
    margin : of some of the brackets (by number) at a distortion each; one call a round
    some : the brackets
    tolerance : of the margin
    precision : of the distortion, relative on a logarithmic scale
    rounds : at most
    logarithmic : whether the scale is
    """
    scale, back = (np.log, np.exp) if logarithmic else (np.array, np.array)
    low, high = scale(some.low), scale(some.high)
    below, above = some.margin_low.astype(np.float64).copy(), some.margin_high.astype(np.float64).copy()
    nearer = np.abs(below) < np.abs(above)
    best, value = np.where(nearer, low, high), np.where(nearer, below, above)
    stayed = np.zeros(len(low), dtype=np.int64)
    for turn in range(rounds):
        open_ones = np.flatnonzero((np.abs(value) > tolerance) & (high - low > precision))
        if not len(open_ones):
            break
        share = -below[open_ones] / (above[open_ones] - below[open_ones])
        share = np.full(len(open_ones), 0.5) if turn % 2 else np.clip(share, 0.01, 0.99)
        tried = low[open_ones] + share * (high[open_ones] - low[open_ones])
        measured = margin(open_ones, back(tried))
        better = np.abs(measured) < np.abs(value[open_ones])
        best[open_ones[better]], value[open_ones[better]] = tried[better], measured[better]
        left = measured < 0
        rows, other = open_ones[left], open_ones[~left]
        low[rows], below[rows] = tried[left], measured[left]
        high[other], above[other] = tried[~left], measured[~left]
        above[rows[stayed[rows] == 1]] /= 2
        below[other[stayed[other] == -1]] /= 2
        stayed[rows], stayed[other] = 1, -1
    at = np.where(np.abs(value) <= tolerance, best, (low + high) / 2)
    return Roots(back(at), value, back(low), back(high))
