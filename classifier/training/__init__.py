"""How classifiers learn: losses, sampling, batches, steps, what is mended afterwards, and baselines.

May import: foundation, statistics, crystal, pattern, samples, network, prediction.
"""
