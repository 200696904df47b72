"""What powder patterns and pair distribution functions share: cells as tensors, lattice points, form factors, nodes.

May import: classifier, crystal.
"""
