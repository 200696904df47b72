"""Which of a group's drawn stacks are kept: at random, for variety, like the real ones; pure functions of features.

May import: classifier.
"""
