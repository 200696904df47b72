"""Wyckoff positions of the 230 space groups as in International Tables A, orbits and cells made of them in torch.

May import: classifier.
"""
