"""The tuned constants that decide what a generator of crystals draws; its checkpoint holds them."""

from cbedgan.render.constants import RenderConstants

Usual = tuple[float, float]
"""Usual value and standard deviation, before training, of a quantity's logarithm."""


class DrawingConstants(RenderConstants):
    """Each with the section of analysis/LOG.md that chose it.

    Limits by which forms are measured, and by which their lattices are called symmetric, stay with `cbedgan.form`: they
    are a matter of the forms, which a checkpoint holds too.
    """

    farthest: float = 2.5  # "A generator of crystals": standard deviations from the usual value that can be reached
    screening: float = 0.75  # "Half turns ...": 1/Angstrom, at which half of an atom's scattering is left
    damping: float = 0.125  # "A generator of crystals": Angstrom^2, a Debye-Waller factor of 0.5 Angstrom^2
    absorption: float = 0.06  # the same: largest imaginary part of the potential, of the real one
    plate: float = 11.0  # the same: Angstrom^2, wavelength * thickness at which amount is meant (300 A at 100 kV)
    curved: float = 1.22  # "What cell and space group say": excitation errors over what is known
    cell: float = 28.0  # "Half turns ...": Angstrom^2, cell of the lattice at which amount is meant
    amount: Usual = (0.5, 0.8)  # "Bright nets, weak light and layers", for these six
    screens: Usual = (0.0, 0.4)
    damps: Usual = (0.0, 0.5)
    exponent: Usual = (-3.0, 0.8)  # of shares of symmetry: those near 1 are whole
    weakness: float = 0.3  # standard deviation from the form
    parity: tuple[float, float, float, float] = (-0.8, 0.0, 0.8, 0.0)  # atanh; centres are commoner than two-fold axes
    layering: float = 5.0  # "Half turns ...", for these five: for each of the relative difference under a half turn
    broken: float = 0.12  # this difference from which half turns are missing in projection too
    blurred: float = 0.03  # its width
    amplified: float = 10.0  # largest factor of what a half turn changes
    left: float = 0.2  # of the darker of two places that a half turn joins: no factor takes away more
