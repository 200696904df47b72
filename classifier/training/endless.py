"""A source without end, as a training sees it: what its loss is told, where it draws from, what the result says."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np

from classifier.crystal.spacegroup import ClassMap
from classifier.foundation.errors import InputError, require
from classifier.foundation.ranks import Ranks
from classifier.pattern.grid import seen
from classifier.pattern.intensity import IntensityTransform
from classifier.samples.measured_samples import Measurement
from classifier.samples.viewed import Frame
from classifier.stream.piece import FixedPart, Recipe
from classifier.stream.stack_source import StackSource
from classifier.stream.window import StreamWindow, open_window
from classifier.training.batches import Source, Stated
from classifier.training.sampling import PowerSampler
from classifier.training.state import State
from classifier.training.train_config import TrainClassifierConfig


class Endless:
    """Gives the stacks of each step, once `ready` says that they are there."""

    def __init__(self, window: StreamWindow, ranks: Ranks) -> None:
        self.window, self.ranks, self.stream = window, ranks, window.source.stream
        self._blocks, self._source = range(0), None

    def ready(self, state: State) -> bool:
        """Wait a moment for the stacks of the next step; whether they are there."""
        return self.window.wait(self.stream.window_at(state.images_seen))

    def source(self, state: State) -> Source:
        """The stacks that the next step draws from; counts in state.drawn the blocks that are new, and what they cost.

        All of them are drawn alike: the shares of the groups lie in their numbers.
        """
        blocks = self.stream.window_at(state.images_seen)
        if self._source is None or blocks != self._blocks:
            samples, copies = self.window.stacks(blocks, self.ranks.device)
            source = Source.build(samples, sampler=PowerSampler(power=1.0), weight=self.stream.weight,
                                  device=self.ranks.device)
            self._blocks, self._source = blocks, replace(source, copies=copies, share=self.stream.share)
            counted = state.drawn.get("blocks", 0)
            passed_over = sum(self.window.passed_over(number) for number in blocks if number >= counted)
            state.drawn = {"blocks": blocks.stop, "passed_over": state.drawn.get("passed_over", 0) + passed_over}
        return self._source


@contextmanager
def open_endless(source: StackSource | None, config: TrainClassifierConfig, state: State, class_map: ClassMap,
                 intensity: IntensityTransform, measurement: Measurement | None, *, ranks: Ranks, workers: int
                 ) -> Iterator[Endless | None]:
    """The source at work for a training, None where there is none; its processes live as long as the context.

    Parameters
    ----------
    source, config, class_map : see `require_stream`
    state : whose network has its scales
    intensity, measurement : the scale of the training's stacks, and what copies are drawn of
    ranks, workers : who shares the training, and processes that draw for each of them
    """
    if source is None:
        yield None
        return
    fixed = None
    if state.model.takes_fixed:
        fixed = FixedPart.of(state.model, config.model, config.view.size_pixels or source.frame.detector.size_pixels,
                             measurement=measurement,
                             ideal_share=config.ideal_share, mirror=config.augment.mirror)
    recipe = Recipe(config.seed, class_map, config.view, intensity, fixed)
    end = source.stream.window_at(config.images - 1).stop
    with open_window(source, recipe, workers=workers, end=end) as window:
        yield Endless(window, ranks)


def require_stream(source: StackSource | None, config: TrainClassifierConfig, class_map: ClassMap, frame: Frame, *,
                   added: bool) -> Stated | None:
    """What the loss is told of the source, None where there is none; InputError where the training cannot take it.

    Parameters
    ----------
    source, config : without end, and of the training
    class_map, frame : of the training
    added : whether a file is added as well
    """
    if source is None:
        return None
    grid = seen(np.zeros((0, *source.frame.grid.shape), np.float32), source.frame.grid, config.view)[1]
    frame.require(Frame(grid, source.frame.pose, source.frame.intensity_unit), source.name)
    given, stream = source.group_shares, source.stream
    others = config.synthetic_share if added else 0.0
    shares = np.array([given.get(group, 0.0) for group in class_map.space_groups], dtype=np.float64)
    require([(not (strange := sorted(set(given) - set(class_map.space_groups))), "group_shares",
              "must name groups of the split", strange),
             (bool((shares >= 0).all() and shares.sum() > 0), "group_shares", "must be >= 0, and not all 0", given),
             (stream.share + others < 1, "share", "must leave room for the training's own stacks, beside an added "
              "file's", stream.share + others)], source=source.name, remedy="Correct the source.")
    if config.model.pose_input or config.model.tasks is not None:
        raise InputError(source=source.name, rule="goes with networks that see the patterns alone",
                         value="model.pose_input or model.tasks", remedy="Leave pose input and tasks out.")
    shares /= shares.sum()
    stacks = stream.window_at(config.images - 1).stop * stream.block
    return Stated(stream.share, stream.weight, shares, shares * stacks)


def told(source: StackSource, state: State) -> dict[str, Any]:
    """What the result says: where the stacks came from, how many there were, and how often each was seen."""
    stacks = state.drawn["blocks"] * source.stream.block
    return {"source": source.record(), "blocks": state.drawn["blocks"], "stacks": stacks,
            "mean_uses": source.stream.drawn(state.images_seen) / stacks,
            "passed_over_as_held_out": state.drawn["passed_over"]}
