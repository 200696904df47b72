"""How classifiers learn: losses, sampling, batches and steps.

May import: foundation, statistics, crystal, pattern, diffractometer, samples, network, stream, prediction.
"""
