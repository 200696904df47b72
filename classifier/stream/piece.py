"""A piece of a block, drawn in a process of its own: new stacks, normalised, and copies where a network takes them."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Float16, Int, Shaped

from classifier.crystal.spacegroup import ClassMap
from classifier.network.stack_classifier import NetworkKind, StackClassifier
from classifier.pattern.geometry import ViewConfig, view
from classifier.pattern.intensity import IntensityTransform
from classifier.samples.dataset import stack_set
from classifier.samples.measured_samples import Measurement
from classifier.samples.sampletable import SampleTable
from classifier.stream.copies import Copies
from classifier.stream.stack_source import StackSource, groups_of_block

PIECE_STACKS = 8  # few, so that who stops a training does not wait long


class FixedPart(NamedTuple):
    """A network of fixed features as plain values, which go to other processes, and the copies that it learns from."""

    config: NetworkKind
    size_pixels: int
    values: dict[str, np.ndarray]
    measurement: Measurement | None
    ideal_share: float
    mirror: bool

    @classmethod
    def of(cls, network: StackClassifier, config: NetworkKind, size_pixels: int, **how: object) -> "FixedPart":
        """Of a network whose scales are fitted; how: the last three fields."""
        values = {name: value.cpu().numpy() for name, value in network.state_dict().items()}
        return cls(config, size_pixels, values, **how)  # pyright: ignore[reportArgumentType]

    def network(self, class_map: ClassMap) -> StackClassifier:
        """The network again."""
        network = self.config.build(classes=len(class_map), size_pixels=self.size_pixels,
                                    mirror_partner=class_map.mirror_partner(), space_groups=class_map.space_groups)
        network.load_state_dict({name: torch.from_numpy(value) for name, value in self.values.items()})
        return network


@dataclass(frozen=True, eq=False)
class Recipe:
    """What a training makes of new stacks; seed: the training's; fixed: None for a network of pixels."""

    seed: int
    class_map: ClassMap
    view: ViewConfig
    intensity: IntensityTransform
    fixed: FixedPart | None


class Piece(NamedTuple):
    """Some stacks of a block; x, or what a network of fixed features sees in its place, see Copies.values."""

    x: Float[np.ndarray, "n 3 H W"] | None
    copies: Float16[np.ndarray, "n draws hands ..."] | None
    ideal_share: float
    class_idx: Int[np.ndarray, " n"]
    sample_id: Shaped[np.ndarray, " n"]
    material: Shaped[np.ndarray, " n"]
    structure_type: Shaped[np.ndarray, " n"]
    passed_over: int


def draw_piece(source: StackSource, recipe: Recipe, number: int, rows: range) -> Piece:
    """The stacks at `rows` of the block `number`; they depend on the source, the recipe and these numbers alone."""
    groups = groups_of_block(source, number, recipe.seed)
    drawn = [source.draw(int(groups[row]), np.random.default_rng([source.seed, recipe.seed, number, 1 + row]))
             for row in rows]
    stacks = view(np.stack([one.intensity for one in drawn]), source.frame.detector, recipe.view)[0]
    samples = stack_set(stacks.astype(np.float32), SampleTable.concatenate([one.row for one in drawn]),
                        class_map=recipe.class_map, transform=recipe.intensity, source=source.name)
    x, values, ideal_share = samples.x.numpy(), None, 0.0
    if recipe.fixed is not None:
        copies = Copies.of(recipe.fixed.network(recipe.class_map), samples, draws=source.stream.copies,
                           ideal_share=recipe.fixed.ideal_share, mirror=recipe.fixed.mirror,
                           measurement=recipe.fixed.measurement, cache=None, key={}, shown=False)
        x, values, ideal_share = None, copies.values.numpy(), copies.ideal_share
    return Piece(x, values, ideal_share, samples.class_idx.numpy(), samples.sample_id, samples.material,
                 samples.structure_type, sum(one.passed_over for one in drawn))
