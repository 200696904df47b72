"""How near the renderer comes to the exact engine, how well it keeps symmetry, and how fast it is.

May import: classifier, crystal, simulate, simulate.cbed, render.
"""
