"""Stacks without end: a source that draws new ones while a training runs, block by block, in processes of its own.

May import: foundation, crystal, pattern, samples, network.
"""
