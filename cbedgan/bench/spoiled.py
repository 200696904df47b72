"""Stacks spoiled in a known way: turned, noisy, moved, blurred, scaled, mixed up, or no CBED at all."""

from collections.abc import Iterator

import numpy as np
from scipy import ndimage

PATTERN = (2, 3)  # axes of a pattern in stacks [N, 3, H, W]


def spoiled(stacks: np.ndarray, *, shortest_g_pixels: float, seed: int) -> Iterator[tuple[str, str, np.ndarray]]:
    """Give kind, amount and spoiled copies [N, 3, H, W] of physical stacks; lengths in pixels of these.

    "harmless" spoils nothing: what a stack shows is as true of its mirror image and its half turn.
    """
    random = np.random.default_rng(seed)
    stacks = np.asarray(stacks, dtype=np.float64)
    yield "harmless", "mirror", stacks[:, :, ::-1]
    yield "harmless", "half turn", stacks[:, :, ::-1, ::-1]
    for degrees in (5, 15, 30, 45):
        turned = ndimage.rotate(stacks, degrees, axes=PATTERN, reshape=False, order=1)
        yield "rotated", f"{degrees} degrees", turned.clip(min=0)
    for electrons in (1e3, 1e4, 1e5, 1e6):
        yield "Poisson noise", f"{electrons:.0e} electrons", random.poisson(stacks * electrons) / electrons
    for pixels in (1, 2, 3, 6):
        moved = ndimage.shift(stacks, (0, 0, pixels, 0), order=1, mode="nearest")
        yield "badly centred", f"{pixels} px ({pixels / shortest_g_pixels:.2f} g)", moved
        yield "one pattern badly centred", f"{pixels} px", np.concatenate([stacks[:, :2], moved[:, 2:]], axis=1)
    for pixels in (0.5, 1.0, 2.0):
        yield "blurred", f"{pixels:g} px", ndimage.gaussian_filter(stacks, pixels, axes=PATTERN)
    for factor in (0.8, 0.9, 1.1, 1.25):
        yield "magnified", f"x {factor:g}", _magnified(stacks, factor)
    for factor in (0.1, 10, 1e4):
        yield "intensity", f"x {factor:g}", stacks * factor
    yield "saturated", "brightest tenth", np.minimum(stacks, np.quantile(stacks, 0.9, axis=PATTERN, keepdims=True))
    for name, rows in mixed_rows(len(stacks)).items():
        yield "mixed up", name, stacks[rows[..., 0], rows[..., 1]]
    for name, made in _not_cbed(stacks, random):
        yield "not CBED", name, made


def mixed_rows(count: int) -> dict[str, np.ndarray]:
    """Ways to mix stacks up: where each pattern is taken from, its stack and its place, int64 [count, 3, 2].

    Neighbours in a file are mostly of one space group; half a file apart they are mostly not.
    """
    own, place = np.arange(count)[:, None], np.arange(3)[None]
    mixed = {"patterns of three crystals": ((own - place) % count, place),
             "patterns of three groups": ((own - place * (count // 3)) % count, place),
             "one pattern of another crystal": ((own - (place == 2)) % count, place),
             "order of the patterns": (own, np.array([[2, 0, 1]]))}
    return {name: np.stack(np.broadcast_arrays(*where), axis=-1) for name, where in mixed.items()}


def _magnified(stacks: np.ndarray, factor: float) -> np.ndarray:
    centre = (stacks.shape[-1] - 1) / 2
    matrix = np.diag([1, 1, 1 / factor, 1 / factor])
    offset = (0, 0, centre * (1 - 1 / factor), centre * (1 - 1 / factor))
    return ndimage.affine_transform(stacks, matrix, offset, order=1)  # pyright: ignore[reportArgumentType]


def _not_cbed(stacks: np.ndarray, random: np.random.Generator) -> Iterator[tuple[str, np.ndarray]]:
    """Name and images of the stacks' shape, each with the mean intensity of a pattern."""
    shape, size = stacks.shape, stacks.shape[-1]
    total = stacks.sum(PATTERN).mean()

    def of_that_intensity(images: np.ndarray) -> np.ndarray:
        images = np.broadcast_to(images, shape) - min(0.0, float(images.min()))
        return images / np.maximum(images.sum(PATTERN, keepdims=True), 1e-30) * total

    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(size), np.fft.fftfreq(size)))
    frequency[0, 0] = np.inf
    side = np.arange(size) - (size - 1) / 2
    radius = np.hypot(side, side[:, None])
    yield "uniform noise", of_that_intensity(random.random(shape))
    yield "speckle", of_that_intensity(random.exponential(size=shape))
    yield "photograph-like (1/f)", of_that_intensity(
        np.fft.ifft2(np.fft.fft2(random.normal(size=shape)) / frequency).real)
    yield "smooth", of_that_intensity(ndimage.gaussian_filter(random.random(shape), size / 12, axes=PATTERN))
    yield "constant", of_that_intensity(np.ones(shape))
    yield "one blob", of_that_intensity(np.exp(-np.square(radius / (size / 8)) / 2))
    period = random.uniform(3, size / 4, size=(*shape[:2], 1, 1))
    yield "rings", of_that_intensity((1 + np.cos(2 * np.pi * radius / period)) * np.exp(-radius / (size / 3)))
    yield "pixels shuffled", random.permuted(stacks.reshape(*shape[:2], -1), axis=2).reshape(shape)
