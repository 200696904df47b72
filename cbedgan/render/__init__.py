"""Differentiable diffraction of crystals, batched.

May import: classifier, crystal, simulate.cbed.
"""
