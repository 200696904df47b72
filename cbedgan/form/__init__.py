"""What is known of a pattern before its crystal, measured on training stacks: disks, symmetry, glides.

May import: classifier.
"""
