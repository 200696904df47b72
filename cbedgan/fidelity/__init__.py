"""Pure measures of generated against real samples, one a file.

May import: classifier.
"""
