"""Where the disks of a measured pattern lie, found in the image: its lattice, its direct disk, its canonical pose.

May import: foundation, crystal, pattern.
"""
