"""Minority-class augmentation and boundary analysis for convergent-beam electron diffraction."""

__version__ = "0.2.0"
