"""How far atoms must move before a classifier sees that a symmetry is gone: symmetry-breaking paths, in angstrom.

May import: classifier, crystal, simulate, simulate.cbed, render, gan.crystals, distortion.symmetry, distortion.report.
"""
