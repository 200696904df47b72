"""How a training draws from a source without end: blocks of new stacks, and the window of them that batches see."""

from typing import Annotated

from pydantic import Field

from classifier.foundation.config import Config


class StreamConfig(Config):
    """Which blocks are seen when, and what they count; all of it depends on the images seen, never on a clock.

    A training that is faster than the processes that draw waits for them; with fewer blocks each stack is used more
    often.
    """

    block: Annotated[int, Field(ge=1, le=65536)] = 256  # stacks
    window: Annotated[int, Field(ge=1, le=1024)] = 8  # blocks: a batch draws from so many, the last ones
    images_per_block: Annotated[int, Field(ge=1)] = 2048  # of all that a training sees, until a new block comes
    share: Annotated[float, Field(gt=0, lt=1)] = 0.25  # of each batch
    weight: Annotated[float, Field(gt=0)] = 1.0  # of a stack in the loss
    copies: Annotated[int, Field(ge=1, le=64)] = 4  # measured ones of a stack, for a network of fixed features

    def window_at(self, images_seen: int) -> range:
        """Numbers of the blocks that the batch after so many images is drawn from."""
        newest = images_seen // self.images_per_block
        return range(max(0, newest + 1 - self.window), newest + 1)

    def drawn(self, images: int) -> int:
        """How many stacks of the source a training of so many images has drawn, whatever they are."""
        return int(images * self.share)
