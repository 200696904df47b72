"""What is said of distorted crystals: medians with intervals, sentences, strips of patterns, and the page of these.

May import: classifier.
"""
