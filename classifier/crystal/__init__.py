"""Space groups, their levels and subgroups, reciprocal geometry of a cell, and the beam electron.

May import: foundation, statistics.
"""
