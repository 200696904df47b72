"""Wyckoff positions of the 230 space groups as in International Tables A.

May import: classifier.
"""
