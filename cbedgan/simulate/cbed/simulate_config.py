"""Everything that decides a simulated set, and the views of its crystals."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from cbedgan.crystal.plan import CrystalConfig
from cbedgan.simulate.cbed.detector_config import DetectorConfig, RingDrift
from cbedgan.simulate.cbed.distinct import DistinctConfig
from cbedgan.simulate.cbed.multislice import MultisliceConfig
from cbedgan.simulate.cbed.specimen import SpecimenConfig
from classifier.foundation.config import Config, added
from classifier.pattern.condition import Condition


class ThicknessRange(Config):
    """Thicknesses in angstrom between which every material draws its own."""

    least: Annotated[float, Field(gt=0)]
    most: Annotated[float, Field(gt=0)]


class ViewConfig(Config):
    """The same crystals once more, from the same propagation, in a stack file of their own, `<out>.<name>.h5`.

    size_pixels: of a side, where it differs; specimen: of each pattern, where it is not flat and on its zone axis;
    condition: what a microscope makes of the patterns, finished, where they are not to stay free of noise.
    """

    name: Annotated[str, Field(pattern="[a-z0-9_]{1,20}")]
    size_pixels: Annotated[int, Field(ge=1)] | None = None
    specimen: SpecimenConfig | None = None
    condition: Condition | None = added(None)


class RenderConfig(Config):
    """Patterns by the differentiable renderer, in place of the exact engine; the defaults are its fast size.

    See "The renderer" in docs/data.md; `cbedgan bench render` measures how near it comes.
    """

    # Of the beams that interact; less far for more than most_beams, farther for fewer than about least_beams.
    reach_inv_angstrom: Annotated[float, Field(gt=0, le=2)] = 0.9
    least_beams: Annotated[int, Field(ge=9, le=2000)] = 110
    most_beams: Annotated[int, Field(ge=9, le=2000)] = 320
    merge_angstrom: Annotated[float, Field(ge=0)] = 0.4  # atoms within this height along the beam form one layer
    # Neighbouring rings of incident directions drift apart by at most this on their way through the slab.
    ring_drift_angstrom: Annotated[float, Field(gt=0)] = 1.0
    samples_per_pixel: Annotated[int, Field(ge=1, le=4)] = 1  # along one side


class SimulateConfig(Config):
    """Everything that decides a simulated set: the same configuration gives the same file."""

    seed: Annotated[int, Field(ge=0)]
    beam_energies_kev: tuple[float, ...] = (100.0,)  # one stack for each material and energy
    thickness_angstrom: float | tuple[float, ...] | ThicknessRange  # one; a series, a stack for each; or drawn
    randomised: tuple[Literal["entry_plane", "azimuth"], ...] = Field((), exclude_if=lambda names: not names)
    zone_axis_rule: Literal["metric", "conventional", "strongest_xray"] = "metric"
    # Disks in mrad may overlap; "refused": crystals are passed over where they do, at any energy.
    overlapping_disks: Literal["kept", "refused"] = Field("kept", exclude_if=lambda choice: choice == "kept")
    # A crystal whose patterns hardly differ from those of a higher group is passed over; without this, it is kept.
    distinct: DistinctConfig | None = Field(None, exclude_if=lambda choice: choice is None)
    maximum_steps: float = 2.5e7  # of one pattern, see `steps`; larger crystals are passed over
    mantissa_bits: Annotated[int, Field(ge=1, le=23)] = 10  # of the intensities in the file
    crystals: CrystalConfig
    multislice: MultisliceConfig = MultisliceConfig()
    detector: DetectorConfig = DetectorConfig()
    views: tuple[ViewConfig, ...] = added(())  # of every crystal, beside the one on its axis
    render: RenderConfig | None = added(None)  # None: the exact engine
    # A planned crystal that fails, or that `distinct` passes over once it is drawn: another takes its place, for which
    # its group is planned anew, in minutes where crystals are hard to find; or the set has one fewer.
    failing: Literal["replaced", "left_out"] = added("replaced")

    @property
    def widest_tilt_mrad(self) -> float:
        """Off the zone axis, of any view."""
        return max((view.specimen.widest_tilt_mrad for view in self.views if view.specimen is not None), default=0.0)

    @model_validator(mode="after")
    def _views_have_names_of_their_own(self) -> "SimulateConfig":
        names = [view.name for view in self.views]
        if len(set(names)) < len(names) or "reserve" in names:
            raise ValueError('views must have different names, none of them "reserve"')
        if self.widest_tilt_mrad and not isinstance(self.detector.directions_across, RingDrift):
            raise ValueError("tilts go with directions_across = { ring_drift_angstrom = ... } only")
        return self

    @model_validator(mode="after")
    def _spacings_are_known(self) -> "SimulateConfig":
        if self.detector.aperture_unit == "spacing_at_100_kev" and self.zone_axis_rule != "strongest_xray":
            raise ValueError('aperture_unit "spacing_at_100_kev" goes with zone_axis_rule "strongest_xray" only')
        return self
