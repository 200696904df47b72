"""Exact physics of CBED: slab, multislice, detector; one crystal to its stacks.

May import: classifier, crystal.
"""
