"""Crossings on paths t in [0, 1]: bracket on a grid, then a vectorised ITP root find; all paths in one batch.

ITP: Oliveira and Takahashi, ACM Trans. Math. Softw. 47 (2020) 5; it needs at most one step more than bisection.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int

Margin = Callable[[torch.Tensor], torch.Tensor]
"""Positions t float64 [..., P] on P paths -> margins [..., P]; positive on the side of class a."""

SLACK = 1
"""n0 of the paper: steps allowed beyond bisection."""
TRUNCATION = 0.2
"""k1 of the paper times the initial width; k2 is 2."""


@dataclass(frozen=True)
class Bracket:
    """One interval of t for each of P paths with the margins at its ends; float64 [P], NaN where nothing crosses."""

    lower: torch.Tensor
    upper: torch.Tensor
    margin_lower: torch.Tensor
    margin_upper: torch.Tensor

    def crossing_paths(self) -> Int[torch.Tensor, " n"]:
        """Rows of the paths that have a bracket."""
        return torch.nonzero(torch.isfinite(self.lower))[:, 0]

    def take(self, rows: torch.Tensor) -> "Bracket":
        """The brackets at `rows`."""
        return Bracket(self.lower[rows], self.upper[rows], self.margin_lower[rows], self.margin_upper[rows])

    def nearest(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return (t, margin) [P] of that end whose margin is nearer to zero."""
        lower_wins = self.margin_lower.abs() <= self.margin_upper.abs()
        return (torch.where(lower_wins, self.lower, self.upper),
                torch.where(lower_wins, self.margin_lower, self.margin_upper))


def grid(points: int) -> Float[torch.Tensor, "{points} 1"]:
    """Return equal steps from 0 to 1, float64: one column, to be broadcast over the paths."""
    return torch.linspace(0, 1, points, dtype=torch.float64)[:, None]


def sign_changes(margin: Float[torch.Tensor, "T P"]) -> Bool[torch.Tensor, "T-1 P"]:
    """Mark the segments of the grid on which the margin changes sign.

    A zero belongs to class a. A segment with an end that is not finite counts as unchanged.
    """
    side, finite = margin >= 0, torch.isfinite(margin)
    return (side[1:] != side[:-1]) & finite[1:] & finite[:-1]


def bracket(t: Float[torch.Tensor, "T 1"], margin: Float[torch.Tensor, "T P"]) -> Bracket:
    """Take from the grid t and its margins the first segment of each path that changes sign."""
    changes = sign_changes(margin)
    crosses, first = changes.any(0), changes.to(torch.uint8).argmax(0)
    columns = torch.arange(margin.shape[1])
    positions = t.expand(margin.shape).to(torch.float64)
    margin = margin.to(torch.float64)
    return Bracket(*(torch.where(crosses, values[index, columns], math.nan)
                     for values in (positions, margin) for index in (first, first + 1)))


def steps_needed(width: float, tolerance: float) -> int:
    """Return the evaluations after which ITP has narrowed an interval of `width` to 2 * tolerance or less."""
    return max(math.ceil(math.log2(width / (2 * tolerance))), 0) + SLACK


def narrow(margin: Margin, start: Bracket, *, width: float, tolerance: float) -> Bracket:
    """Narrow all brackets to at most 2 * tolerance in `steps_needed` evaluations of `margin`.

    Paths without a bracket stay NaN; paths that are narrow enough stay as they are. No path depends on another.

    Parameters
    ----------
    margin : of all paths at positions t
    start : the brackets
    width : of each of them in t
    tolerance : half width at the end
    """
    low, high, at_low, at_high = start.lower, start.upper, start.margin_lower, start.margin_upper
    has_bracket, side = torch.isfinite(low), at_low >= 0
    steps = steps_needed(width, tolerance)
    for step in range(steps):
        active = has_bracket & (high - low > 2 * tolerance)
        interval, middle = high - low, (low + high) / 2
        radius = tolerance * 2.0 ** (steps - step) - interval / 2
        secant = (at_high * low - at_low * high) / (at_high - at_low)
        towards = torch.sign(middle - secant)
        push = torch.minimum(TRUNCATION / width * interval**2, (middle - secant).abs())
        offset = (secant + towards * push - middle).abs().minimum(radius.clamp(min=0))
        trial = torch.where(active, middle - towards * offset, 0.5)
        at_trial = margin(trial).to(torch.float64)
        to_low, to_high = active & ((at_trial >= 0) == side), active & ((at_trial >= 0) != side)
        low, at_low = torch.where(to_low, trial, low), torch.where(to_low, at_trial, at_low)
        high, at_high = torch.where(to_high, trial, high), torch.where(to_high, at_trial, at_high)
    return Bracket(low, high, at_low, at_high)


@dataclass(frozen=True)
class Profile:
    """What the grid shows of each path, crossings and rival int64 [P], thickness and intrusion float64 [P].

    crossings: sign changes of the margin; thickness: length times the share of points at which both classes are
    plausible (after 2007.05086); intrusion: share of points whose top class is a third; rival: the class that takes
    over from a, -1 for none.
    """

    crossings: torch.Tensor
    thickness: torch.Tensor
    intrusion: torch.Tensor
    rival: torch.Tensor


def profile(logits: Float[torch.Tensor, "T P K"], a: Int[torch.Tensor, " P"], b: Int[torch.Tensor, " P"],
            length: Float[torch.Tensor, " P"], *, plausible: float) -> Profile:
    """Describe paths between two classes.

    Parameters
    ----------
    logits : on the grid of each path
    a, b : class indices of the two ends
    length : of each path in w
    plausible : probability that both classes need where a path counts as thick
    """
    logit_a, logit_b = select(logits, a), select(logits, b)
    probability = logits.softmax(-1)
    both = torch.minimum(select(probability, a), select(probability, b)) >= plausible
    top = logits.argmax(-1)
    lost = top != a
    rival = top.gather(0, lost.to(torch.uint8).argmax(0)[None])[0]
    return Profile(sign_changes(logit_a - logit_b).sum(0), both.double().mean(0) * length.double(),
                   ((top != a) & (top != b)).double().mean(0), torch.where(lost.any(0) & ~lost[0], rival, -1))


def select(values: Float[torch.Tensor, "*grid P K"], class_idx: Int[torch.Tensor, " P"]
           ) -> Float[torch.Tensor, "*grid P"]:
    """Take the column class_idx of each row."""
    return values.gather(-1, class_idx.expand(values.shape[:-1])[..., None])[..., 0]
