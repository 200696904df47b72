"""The symmetry of a crystal and of its subgroups, and where three patterns show what a distortion takes from it.

May import: classifier, crystal.
"""
