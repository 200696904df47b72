"""Published data sets (OLCF, STFC), read with suspicion into one stack file.

May import: foundation, crystal, pattern, samples.
"""
