"""What a microscope adds to noise-free patterns, one effect a file, batched, each pattern's values drawn by its seed.

May import: foundation.
"""
