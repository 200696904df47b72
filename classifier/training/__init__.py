"""How classifiers learn: losses, sampling, batches, steps, and baselines.

May import: foundation, statistics, crystal, pattern, samples, network, stream, prediction.
"""
