"""Synthetic stacks of exact label from a generator of crystals: interior, on both sides of a boundary, and hard.

May import: classifier, choice, crystal, distortion, gan.crystals, simulate, simulate.cbed, synthesis, synthesis.select.
"""
