"""Which generator a configuration asks for."""

from __future__ import annotations

from cbedgan.gan.network.diffraction_generator import DiffractionGenerator
from cbedgan.gan.network.networks import Generator, NetworkConfig
from classifier.crystal.spacegroup import ClassMap
from classifier.foundation.errors import InputError
from classifier.pattern.geometry import ViewConfig
from classifier.pattern.intensity import IntensityTransform


def build_generator(sample_shape: tuple[int, ...], config: NetworkConfig, class_map: ClassMap, *, view: ViewConfig,
                    intensity: IntensityTransform) -> Generator | DiffractionGenerator:
    """A generator of samples [C, *spatial] that show the view on the scale of `intensity`, with untrained weights."""
    if config.diffraction is None:
        return Generator(sample_shape, config, class_map)
    if len(sample_shape) != 3 or sample_shape[1] != sample_shape[2]:
        raise InputError(source="network.diffraction", rule="draws square patterns",
                         value=f"samples of {list(sample_shape)}", remedy="Leave out [network.diffraction].")
    return DiffractionGenerator(sample_shape, config, class_map, half_width=view.half_width, intensity=intensity)
