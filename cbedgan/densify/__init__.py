"""Densification as a whole: rounds of finding boundaries, adding stacks there and training again; a gate per group.

May import: classifier, comparison, distortion, distortion.report, gan.crystals, simulate, synthesis.crystals.
"""
