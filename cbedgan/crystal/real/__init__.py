"""Real-derived crystals: the structures at hand, which elements may stand for which, and the parts that they fill.

May import: classifier, cbedgan.crystal.
"""
