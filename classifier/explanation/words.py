"""The shown symmetry in words that a crystallographer uses: claims of each pattern, and what they say of groups."""

from collections.abc import Iterator, Sequence
from typing import Any

from classifier.crystal.spacegroup import symbol
from classifier.explanation.agreement import Agreement
from classifier.explanation.shown import ShownSymmetry

AXES = {2: "two-fold", 3: "three-fold", 4: "four-fold", 6: "six-fold"}
# What makes the turn where only zero-order reflections count: an axis along the beam, or what reverses the beam.
SOURCES = {2: "2 along the beam or a centre of inversion", 3: "3 or -6 along the beam", 4: "4 or -4 along the beam",
           6: "6 or -3 along the beam"}
SHORT = {2: "2 or -1", 3: "3 or -6", 4: "4 or -4", 6: "6 or -3"}
LEAST_TILT = 0.03  # radii of a disk, from which on a tilt is spoken of
ALONG_AXES = 2.5  # degrees within which a line is called horizontal or vertical


def direction(azimuth_degree: float) -> str:
    """A line's azimuth in words: horizontal, vertical, or its angle to the horizontal, counter-clockwise."""
    if abs((azimuth_degree + 90) % 180 - 90) < ALONG_AXES:
        return "horizontal"
    if abs(azimuth_degree - 90) < ALONG_AXES:
        return "vertical"
    return f"at {azimuth_degree:.0f}°"


def claims(shown: Sequence[ShownSymmetry]) -> list[dict[str, Any]]:
    """All claims of a stack as JSON content; patterns count from 1.

    residual: the share of the variation that the symmetry forbids; of dark rows, the light left along it.
    """
    return [{"pattern": number, **of_pattern, "text": f"{of_pattern['text']} in pattern {number}"}
            for number, one in enumerate(shown, 1) for of_pattern in _claims_of(one)]


def _claims_of(one: ShownSymmetry) -> Iterator[dict[str, Any]]:
    if one.order > 1:
        yield _claim(AXES[one.order], f"{AXES[one.order]} symmetry about the beam ({SOURCES[one.order]})",
                     one.turn_residual)
    for line in one.mirrors:
        yield _claim("mirror", f"mirror line {direction(line)} (mirror or glide plane along the beam, or two-fold axis "
                     "across it)", one.mirror_residual, azimuth_degree=round(line, 2))
    for row in one.dark:
        yield _claim("dark_row", f"odd reflections dark along the row {direction(row.azimuth_degree)} (glide plane "
                     "along the beam or two-fold screw axis across it)", row.light,
                     azimuth_degree=round(row.azimuth_degree, 2),
                     reflections=[[round(x, 4), round(y, 4)] for x, y in row.reflections])
    if one.no_half_turn:
        yield _claim("no_half_turn", "no half turn, so no centre of inversion,", one.turn_residual)
    if one.no_mirror:
        yield _claim("no_mirror", "no mirror line", one.mirror_residual)
    if one.zone_axis is not None:
        yield _claim("zone_axis", "zone axis beside the beam", one.turn_residual,
                     tilt_disk_radii=round(one.tilt or 0.0, 4), place=[round(value, 4) for value in one.zone_axis])
    if one.near is not None:
        yield _claim("near", f"near to {one.near[0]}, which is not exact,", one.near[1], plane_point_group=one.near[0])


def _claim(kind: str, text: str, residual: float, **more: Any) -> dict[str, Any]:
    return {"claim": kind, "text": text, "residual": round(max(residual, 0.0), 6), **more}


def pattern_line(one: ShownSymmetry) -> str:
    """What one pattern shows, in a line."""
    parts = []
    if one.order > 1:
        axis = "beam" if one.zone_axis is None else "zone axis"
        parts.append(f"{AXES[one.order]} about the {axis} ({SHORT[one.order]})")
    if one.mirrors:
        parts.append(f"mirror line{'s' * (len(one.mirrors) > 1)} {_directions(one.mirrors)}")
    if one.dark:
        parts.append(f"odd reflections dark along the row{'s' * (len(one.dark) > 1)} "
                     f"{_directions([row.azimuth_degree for row in one.dark])} (glide or 21)")
    if one.no_half_turn:
        parts.append("no half turn")
    if one.no_mirror:
        parts.append("no mirror line")
    if one.tilt is not None and one.tilt > LEAST_TILT:
        parts.append(f"zone axis {100 * one.tilt:.0f} % of a disk's radius beside the beam")
    if one.near is not None:
        exact = "no more is exact" if one.order > 1 or one.mirrors else "no exact symmetry"
        parts.append(f"{exact}, nearest {one.near[0]} ({one.near[1]:.1%} of the variation against it, as a small tilt "
                     "leaves it)")
    return "; ".join(parts) or "nothing that is clear"


def group_line(answer: Agreement, others: Sequence[Agreement]) -> str:
    """Whether the answered group agrees and along which axes, and which of the other listed groups are excluded."""
    name = f"{answer.space_group} ({symbol(answer.space_group)})"
    if answer.excluded:
        numbers = [str(k) for k, axis in enumerate(answer.axes, 1) if axis is None]
        against = f"pattern {numbers[0]} shows" if len(numbers) == 1 else f"patterns {_listed(numbers)} show"
        text = f"not in accord with the answer {name}: no zone axis of it shows what {against}"
    else:
        along = _listed([f"[{' '.join(map(str, axis.zone_axis_uvw))}]" for axis in answer.axes if axis is not None])
        text = f"in accord with the answer {name}, for instance along {along}"
    excluded = [f"{one.space_group} ({symbol(one.space_group)})" for one in others if one.excluded]
    return text + (f"; excludes {_listed(excluded)}" if excluded else "")


def _directions(azimuths: Sequence[float]) -> str:
    """Of one or two lines in words, of more in degrees."""
    if len(azimuths) < 3:
        return _listed([direction(azimuth) for azimuth in azimuths])
    return f"at {_listed([f'{degrees}°' for degrees in sorted(round(azimuth) % 180 for azimuth in azimuths)])}"


def _listed(words: Sequence[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
