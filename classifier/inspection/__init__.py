"""What `cbedgan inspect` says: counts, ranges, faults and leaks of stack files, and a page of them.

May import: foundation, statistics, crystal, pattern, kind, samples.
"""
