"""Sets of powder patterns and of pair distribution functions: what decides one, and a crystal to its sample and row."""

import json
from math import radians, sin
from typing import Annotated, Any, Literal

import numpy as np
import torch
from jaxtyping import Float
from pydantic import Field

from cbedgan.crystal.crystals import Crystal
from cbedgan.crystal.plan import CrystalConfig
from cbedgan.simulate.pdf.pdf_config import PdfConfig
from cbedgan.simulate.pdf.render_pdf import render_pdf
from cbedgan.simulate.powder.form_factors import check_scatters
from cbedgan.simulate.xrd.orientation import drawn_orientation
from cbedgan.simulate.xrd.render_xrd import render_xrd
from cbedgan.simulate.xrd.xrd_config import XrdConfig
from classifier.diffractometer.pdf_measurement import PdfMeasurementConfig, drawn_pdf, measured_pdf
from classifier.diffractometer.powder_axis import PowderAxis
from classifier.diffractometer.xrd_measurement import XrdMeasurementConfig, drawn_xrd, measured_xrd
from classifier.foundation.config import Config, digest
from classifier.foundation.errors import InputError
from classifier.foundation.run import versions
from classifier.kind.pdf import Pdf
from classifier.kind.xrd import Xrd
from classifier.samples.sampletable import SampleTable


class CurveSetConfig(Config):
    """What both kinds of sets have: the same configuration gives the same file."""

    seed: Annotated[int, Field(ge=0)]
    maximum_primitive_atoms: Annotated[int, Field(ge=1)] = 200  # larger crystals are passed over
    mantissa_bits: Annotated[int, Field(ge=1, le=23)] = 12  # of the values in the file
    crystals: CrystalConfig

    @property
    def views(self) -> tuple[()]:
        """There is one file of the set."""
        return ()

    def seed_of(self, crystal: Crystal) -> int:
        """Of all that is drawn for the crystal's sample."""
        return int(digest([self.seed, crystal.material])[:15], 16)


class XrdSetConfig(CurveSetConfig):
    """Powder patterns; measurement: what a diffractometer adds, None: they are ideal."""

    kind: Literal["xrd"]
    pattern: XrdConfig
    measurement: XrdMeasurementConfig | None = None

    @property
    def samples(self) -> Xrd:
        """The kind of measurement that the file holds."""
        ends = self.pattern.least_degree, self.pattern.most_degree
        if self.pattern.spacing == "sin_theta":
            ends = sin(radians(ends[0] / 2)), sin(radians(ends[1] / 2))
        return Xrd(quantity=self.pattern.spacing, first=ends[0], last=ends[1], points=self.pattern.points,
                   wavelength_angstrom=self.pattern.lines[0].wavelength_angstrom)

    def rendered(self, crystal: Crystal) -> tuple[Float[np.ndarray, "1 1 L"], dict[str, Any]]:
        """The crystal's pattern, and what was drawn for it."""
        seed, told = self.seed_of(crystal), {}
        if self.pattern.orientation is not None:
            plane, march = drawn_orientation(self.pattern.orientation, seed)
            told["orientation"] = {"plane": plane, "march": march}
        curve = render_xrd([crystal], self.pattern, [seed])[None]
        if self.measurement is not None:
            axis = PowderAxis(torch.from_numpy(self.pattern.two_theta_degree()),
                              self.pattern.lines[0].wavelength_angstrom)
            curve = measured_xrd(curve, axis, self.measurement, [seed])
            told["measured"] = {name: float(value) for name, value in drawn_xrd(self.measurement, [seed]).items()}
        return curve.numpy(), told


class PdfSetConfig(CurveSetConfig):
    """Pair distribution functions; measurement: what one adds, None: they are ideal."""

    kind: Literal["pdf"]
    function: PdfConfig = PdfConfig()
    measurement: PdfMeasurementConfig | None = None

    @property
    def samples(self) -> Pdf:
        """The kind of measurement that the file holds."""
        r = self.function.r_angstrom()
        return Pdf(first_angstrom=float(r[0]), step_angstrom=float(r[1] - r[0]), points=len(r))

    def rendered(self, crystal: Crystal) -> tuple[Float[np.ndarray, "1 1 L"], dict[str, Any]]:
        """The crystal's function, and what was drawn for it."""
        seed, told = self.seed_of(crystal), {}
        curve = render_pdf([crystal], self.function)[None]
        if self.measurement is not None:
            curve = measured_pdf(curve, torch.from_numpy(self.function.r_angstrom()), self.measurement, [seed])
            told["measured"] = {name: float(value) for name, value in drawn_pdf(self.measurement, [seed]).items()}
        return curve.numpy(), told


AnyCurveSet = XrdSetConfig | PdfSetConfig


def curve_refusal(crystal: Crystal, config: AnyCurveSet) -> str | None:
    """Say why the crystal cannot be rendered within the limits of `config`, or None."""
    if crystal.n_primitive > config.maximum_primitive_atoms:
        return f"{crystal.n_primitive} atoms, more than {config.maximum_primitive_atoms}"
    try:
        for number in np.unique(crystal.numbers).tolist():
            check_scatters(number, crystal.source)
    except InputError as error:
        return str(error)
    return None


def curve_sample(crystal: Crystal, config: AnyCurveSet, partition: str
                 ) -> tuple[Float[np.ndarray, "1 1 L"], SampleTable]:
    """The crystal's sample in the unit of its kind, and its row.

    Parameters
    ----------
    crystal, config : what is rendered, and how
    partition : part of the plan, "" for none
    """
    curve, told = config.rendered(crystal)
    lengths, angles = crystal.cell_parameters()
    told = {"crystal": crystal.record(), "config_digest": digest(config), "versions": versions(), **told}
    row = SampleTable.build(
        1, sample_id=[crystal.material], space_group=crystal.space_group, material=crystal.material,
        structure_type=crystal.structure_type, formula=crystal.formula, partition=partition, origin="simulated",
        cell_lengths_angstrom=[lengths], cell_angles_degree=[angles],
        provenance=[json.dumps(told, separators=(",", ":"))])
    return config.samples.in_unit(curve), row
