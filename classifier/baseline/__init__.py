"""Models that are no networks, on descriptors or on the values themselves, each with its grid; train-baseline.

May import: foundation, statistics, crystal, pattern, samples, prediction.
"""
