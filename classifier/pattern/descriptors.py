"""Stated descriptors of CBED stacks for models that are no networks: profiles, azimuthal orders, symmetry, disks.

All follow from the physical intensity alone. In canonical pose no mirroring of the pattern in an axis, and no half
turn, changes them. In any other pose only those are taken that no turn changes (but for bilinear sampling).
"""

import math
from collections.abc import Iterator
from typing import Annotated, Literal, Protocol

import numpy as np
import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from classifier.foundation.config import Config, added
from classifier.foundation.errors import InputError
from classifier.foundation.registry import Kinds
from classifier.pattern.geometry import Detector
from classifier.pattern.grid import Grid, SampleGrid, detector_of
from classifier.pattern.symmetry import azimuthal_spectrum, mirror_share, n_fold_share, ring_radius

FAMILIES = ("radial", "angular", "symmetry", "direct", "dark")
PLACES = {"kept": ("1", "2", "3"), "free": ("least", "middle", "most")}  # of a descriptor among the three patterns
FOLDS = (2, 3, 4, 6)
STACKS_AT_ONCE = 128  # polar samples of more do not stay in the processor's cache


class Descriptors(Protocol):
    """What a model that is no network sees of samples."""

    @property
    def kind(self) -> str: ...

    def names(self, grid: Grid) -> list[str]:
        """One a descriptor, D in all."""
        ...

    def of(self, samples: Float[np.ndarray, "N C *spatial"], grid: Grid) -> Float[np.ndarray, "N D"]:
        """Descriptors of samples of physical intensity."""
        ...

    def groups(self, names: list[str]) -> dict[str, list[bool]]:
        """{what is shuffled together: whether each descriptor belongs to it}."""
        ...


class DescriptorConfig(Config):
    """floor: of the logarithm log(1 + I / floor), intensity per pixel; rings: of the radial profile; bands: wider
    rings, each with its azimuthal orders 1..orders; direct_disk_radius: in the detector's unit; pattern_order: "kept",
    or "free" where the three zone axes have no order: each descriptor is then sorted over the three patterns."""

    kind: Literal["stated"] = added("stated")
    floor: float
    rings: int
    bands: int
    orders: int
    direct_disk_radius: float
    pattern_order: Literal["kept", "free"]

    def names(self, grid: Grid) -> list[str]:
        """Those of `descriptor_names`."""
        return descriptor_names(detector_of(grid, "descriptors"), self)

    def of(self, samples: Float[np.ndarray, "N C *spatial"], grid: Grid) -> Float[np.ndarray, "N D"]:
        """Those of `describe`."""
        return describe(samples, detector_of(grid, "descriptors"), self)

    def groups(self, names: list[str]) -> dict[str, list[bool]]:
        """Families, and patterns."""
        families = {family: [name.startswith(f"{family}:") for name in names] for family in FAMILIES}
        return families | {f"pattern {place}": [name.endswith(f"pattern {place}") for name in names]
                           for place in PLACES[self.pattern_order]}


class ValuesConfig(Config):
    """The values of a curve themselves, or their square roots; segments: of the axis, shuffled one after the other."""

    kind: Literal["values"]
    square_root: bool = False
    segments: Annotated[int, Field(ge=1, le=256)] = 16

    def names(self, grid: Grid) -> list[str]:
        """Place and unit along the axis."""
        if not (isinstance(grid, SampleGrid) and len(grid.axes) == 1):
            raise InputError(source='descriptors, kind = "values"', rule="is for samples of one axis",
                             value=f"samples of kind {grid.kind}", remedy="Take stated descriptors for CBED patterns.")
        axis = grid.axes[0]
        return [f"{axis.name} {place:.6g} {axis.unit}".rstrip() + (f", curve {k + 1}" if grid.channels > 1 else "")
                for k in range(grid.channels) for place in axis.coordinates()]

    def of(self, samples: Float[np.ndarray, "N C P"], grid: Grid) -> Float[np.ndarray, "N D"]:
        """One row a sample, its curves one after the other."""
        values = samples.reshape(len(samples), -1).astype(np.float32)
        return np.sqrt(values) if self.square_root else values

    def groups(self, names: list[str]) -> dict[str, list[bool]]:
        """Runs of neighbouring points, named by the first and the last."""
        runs = np.array_split(np.arange(len(names)), min(self.segments, len(names)))
        return {f"{names[run[0]]} to {names[run[-1]]}": [bool(inside) for inside in np.isin(range(len(names)), run)]
                for run in runs}


AnyDescriptors = Annotated[Descriptors, Kinds(DescriptorConfig, ValuesConfig)]


def describe(intensity: Float[np.ndarray, "N 3 H W"], detector: Detector, config: DescriptorConfig
             ) -> Float[np.ndarray, "N D"]:
    """Descriptors of stacks of physical intensity; D and its names: descriptor_names."""
    empty = torch.zeros(0, len(descriptor_names(detector, config)))
    stacks = torch.as_tensor(intensity, dtype=torch.float32).clamp(min=0)
    blocks = [_describe(block, detector, config) for block in stacks.split(STACKS_AT_ONCE) if len(block)]
    return torch.cat([empty, *blocks]).numpy()


def descriptor_names(detector: Detector, config: DescriptorConfig) -> list[str]:
    """Name of each descriptor, "family: what, of pattern 1" to 3, in the order of describe; family: of FAMILIES."""
    _check(detector, config)
    pattern = torch.zeros(detector.size_pixels, detector.size_pixels)
    single = [name for name, _ in _entries(pattern, detector, config)]
    return [f"{name}, of pattern {place}" for place in PLACES[config.pattern_order] for name in single]


def _describe(stacks: Tensor, detector: Detector, config: DescriptorConfig) -> Tensor:
    """Descriptors float32 [n, D] of stacks [n, 3, H, W]."""
    values = torch.stack([value for _, value in _entries(stacks, detector, config)], -1)
    return (values.sort(dim=1).values if config.pattern_order == "free" else values).flatten(1).float()


def _entries(patterns: Tensor, detector: Detector, config: DescriptorConfig) -> Iterator[tuple[str, Tensor]]:
    """Name and value [...] of each descriptor of patterns [..., H, W]."""
    canonical = detector.unit == "shortest_g"
    compressed = torch.log1p(patterns / config.floor)
    spectrum = azimuthal_spectrum(compressed)
    radius = ring_radius(spectrum.shape[-2])
    azimuths = 2 * spectrum.shape[-1] - 2
    yield from _radial(spectrum[..., 0].real / radius.sqrt() / azimuths, radius, config)
    yield from _angular(spectrum / azimuths, radius, config, canonical)
    inside = radius * detector.pixel_size < config.direct_disk_radius
    for region, rings in (("pattern", slice(None)), ("direct disk", inside), ("diffracted disks", ~inside)):
        part = spectrum[..., rings, :]
        for n in FOLDS:
            yield f"symmetry: {n}-fold residual of the {region}", n_fold_share(part, n)
        yield f"symmetry: mirror residual of the {region}", mirror_share(part)
        if canonical:
            yield f"symmetry: mirror residual along g of the {region}", mirror_share(part, 0.0)
            yield f"symmetry: mirror residual across g of the {region}", mirror_share(part, math.pi / 2)
    side = torch.from_numpy(detector.coordinates())
    direct = torch.hypot(side[:, None], side) < config.direct_disk_radius
    total = patterns.sum((-2, -1)).clamp(min=torch.finfo(patterns.dtype).tiny)
    yield "direct: share of the intensity", patterns[..., direct].sum(-1) / total
    yield "direct: mean of the compressed intensity", compressed[..., direct].mean(-1)
    if canonical:
        yield from _dark(compressed, detector, config.direct_disk_radius)


def _radial(profile: Tensor, radius: Tensor, config: DescriptorConfig) -> Iterator[tuple[str, Tensor]]:
    """Mean compressed intensity of each ring, from the profile [..., R]; every pixel weighs the same."""
    for k, rings in enumerate(_parts(len(radius), config.rings)):
        weight = radius[rings] / radius[rings].sum()
        yield f"radial: ring {k + 1}", profile[..., rings] @ weight


def _angular(spectrum: Tensor, radius: Tensor, config: DescriptorConfig, canonical: bool
             ) -> Iterator[tuple[str, Tensor]]:
    """Azimuthal orders of each band of the spectrum [..., R, M].

    The root mean square amplitude knows no azimuth; in canonical pose the mean cosine parts of the even orders, which
    are the angular profile folded into one quadrant, come beside it.
    """
    for k, rings in enumerate(_parts(len(radius), config.bands)):
        area = radius[rings].sum()
        amplitude = (spectrum[..., rings, :].abs().square().sum(-2) / area).sqrt()
        cosine = (spectrum[..., rings, :].real * radius[rings].sqrt()[:, None]).sum(-2) / area
        for order in range(1, config.orders + 1):
            yield f"angular: amplitude of order {order} in band {k + 1}", amplitude[..., order]
            if canonical and order % 2 == 0:
                yield f"angular: cosine of order {order} in band {k + 1}", cosine[..., order]


def _dark(compressed: Tensor, detector: Detector, disk_radius: float) -> Iterator[tuple[str, Tensor]]:
    """Brightness and residuals of the two disks at +g and -g of the canonical pose: 0 symmetric to 1, noise 1/2.

    At a zone axis a half turn and a mirror across g carry +g onto -g, and a mirror along g each disk onto itself.
    """
    size = detector.size_pixels
    points = 2 * math.ceil(disk_radius / detector.pixel_size)
    side = (torch.arange(points) - points / 2 + 0.5) * detector.pixel_size
    y, x = torch.meshgrid(side, side, indexing="ij")
    disk = torch.hypot(x, y) < disk_radius
    half = size * detector.pixel_size / 2
    flat = compressed.reshape(1, -1, size, size)
    plus, minus = (functional.grid_sample(flat, (torch.stack((x + sign, y), -1) / half)[None].to(flat.dtype),
                                          mode="bilinear", align_corners=False
                                          ).reshape(*compressed.shape[:-2], points, points) for sign in (1, -1))
    yield "dark: mean of the compressed intensity", (plus[..., disk] + minus[..., disk]).mean(-1) / 2
    yield "dark: half turn of +g onto -g", _difference(plus, minus.flip(-2, -1), disk)
    yield "dark: mirror across g of +g onto -g", _difference(plus, minus.flip(-1), disk)
    own = _difference(plus, plus.flip(-2), disk) + _difference(minus, minus.flip(-2), disk)
    yield "dark: mirror along g of +g and -g", own / 2


def _difference(first: Tensor, second: Tensor, disk: Tensor) -> Tensor:
    """Share [...] of the variation of two windows [..., P, P] that sets them apart, over the pixels of the disk."""
    first, second = first[..., disk].double(), second[..., disk].double()
    mean = (first + second).mean(-1, keepdim=True) / 2
    spread = 2 * ((first - mean).square() + (second - mean).square()).sum(-1)
    apart = (first - second).square().sum(-1)
    return torch.where(spread > 1e-12, apart / spread.clamp(min=1e-12), torch.zeros_like(spread))


def _parts(rings: int, parts: int) -> list[slice]:
    """Cut the rings into parts of nearly equal width, from the centre."""
    edges = np.linspace(0, rings, parts + 1).round().astype(int)
    return [slice(int(first), int(last)) for first, last in zip(edges[:-1], edges[1:], strict=True)]


def _check(detector: Detector, config: DescriptorConfig) -> None:
    rings = detector.size_pixels // 2
    disk = config.direct_disk_radius / detector.pixel_size
    for rule, value, holds in (
            ("floor must be positive", config.floor, config.floor > 0),
            (f"rings and bands must be 1..{rings}, half of the pattern's pixels", (config.rings, config.bands),
             1 <= min(config.rings, config.bands) and max(config.rings, config.bands) <= rings),
            ("orders must be 1..12, what the inner rings still resolve", config.orders, 1 <= config.orders <= 12),
            (f"direct_disk_radius must be 1 to {rings - 1} pixels of {detector.pixel_size:g} {detector.unit}",
             config.direct_disk_radius, 1 <= disk <= rings - 1)):
        if not holds:
            raise InputError(source="descriptors", rule=rule, value=value, remedy="Correct the configuration.")
