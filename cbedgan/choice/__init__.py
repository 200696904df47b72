"""Which crystals of a pool a classifier learns most from.

May import: classifier, boundary, simulate.
"""
