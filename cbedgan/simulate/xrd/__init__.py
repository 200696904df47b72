"""X-ray powder patterns of crystals: reflections, peaks, profiles; batched and differentiable.

May import: classifier, crystal, simulate.powder.
"""
