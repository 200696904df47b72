"""Pair distribution functions of crystals: pairs, their histogram, one matrix; batched and differentiable.

May import: classifier, crystal, simulate.powder.
"""
