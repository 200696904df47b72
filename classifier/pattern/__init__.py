"""One CBED pattern: geometry, intensity, pose, disk lattice, symmetry, and what leaves its label as it is.

May import: foundation, crystal, microscope.
"""
