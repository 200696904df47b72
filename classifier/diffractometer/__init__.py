"""What a measurement does to powder patterns and pair distribution functions, batched, values drawn by seed.

May import: foundation, microscope, pattern.
"""
