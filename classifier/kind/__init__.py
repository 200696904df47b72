"""Kinds of measurement, one a file: the grid of a sample, its unit, what leaves its label as it is, how it is drawn.

May import: foundation, pattern.
"""
