"""Crystals: from files, prototypes and at random; their symmetry as measured; which of them make a set.

May import: classifier, crystal.natural, crystal.real, crystal.wyckoff.
"""
