"""How classifiers learn: losses, sampling, batches and steps.

May import: foundation, statistics, crystal, pattern, samples, network, stream, prediction.
"""
