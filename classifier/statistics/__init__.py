"""How well answers fit the truth, how sure that is, and what other crystals would have given.

May import: foundation.
"""
