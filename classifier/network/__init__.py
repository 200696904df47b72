"""The classifier network: bodies, features of symmetry, heads, and what it may know beside the patterns.

May import: foundation, crystal, pattern, features, samples.
"""
