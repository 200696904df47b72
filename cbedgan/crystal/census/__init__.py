"""What the sources of crystals hold, and whether what they draw can be told from crystals that exist.

May import: classifier, crystal, crystal.natural, crystal.wyckoff.
"""
