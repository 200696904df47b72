"""A user's own patterns, from files of other programs to one stack file.

May import: foundation, crystal, pattern, kind, pose, samples, prediction.
"""
