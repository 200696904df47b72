"""Samples in files and in memory: layout, table, cache, the split into parts, and what parts must not share.

May import: foundation, crystal, pattern.
"""
