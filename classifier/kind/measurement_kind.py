"""What a kind of measurement must offer; built-in ones are listed here, a user's own is named kind = "module:Name"."""

from typing import Annotated, Any, ClassVar, Protocol

import numpy as np
from jaxtyping import Float

from classifier.foundation.config import Config
from classifier.foundation.registry import Kinds
from classifier.kind.cbed import Cbed
from classifier.kind.curves import drawn_curve
from classifier.kind.pdf import Pdf
from classifier.kind.xrd import Xrd
from classifier.pattern.grid import Grid, SampleGrid


class MeasurementKind(Protocol):
    """Configuration of a measurement: what its samples are, wherever they come from.

    name: of the files; unit: of the values that they hold; augmentation: kind of `[augment]` that keeps the label.
    """

    name: ClassVar[str]
    unit: ClassVar[str]
    augmentation: ClassVar[str]

    @property
    def kind(self) -> str: ...

    def model_dump(self) -> dict[str, Any]:
        """What a provenance keeps of it; every Config has this."""
        ...

    def grid(self) -> Grid:
        """Shape [C, *spatial] and calibrated axes of a sample."""
        ...

    def in_unit(self, values: Float[np.ndarray, "N C *spatial"]) -> Float[np.ndarray, "N C *spatial"]:
        """Rendered or measured values, background taken off, brought to `unit`: finite and >= 0."""
        ...

    def drawn(self, sample: Float[np.ndarray, "C *spatial"]) -> bytes:
        """A sample as a PNG for a page."""
        ...


BUILT_IN: tuple[type[Config], ...] = (Cbed, Xrd, Pdf)
AnyKind = Annotated[MeasurementKind, Kinds(*BUILT_IN)]


def drawn_sample(sample: Float[np.ndarray, "C *spatial"], grid: Grid) -> bytes:
    """A sample of any file as a PNG: stacks as images, others as curves over their axis or as images."""
    if isinstance(grid, SampleGrid) and len(grid.axes) == 1:
        return drawn_curve(sample, grid.axes[0])
    return Cbed.picture(sample)
