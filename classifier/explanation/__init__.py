"""What symmetry a stack's patterns show: named claims, the groups that agree, words, and a picture.

May import: foundation, crystal, pattern, features, samples, prediction.
"""
