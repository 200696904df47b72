"""Active learning: which materials to label next, and a study of how much each way to choose is worth.

May import: classifier, boundary, comparison, gan.
"""
