"""Differentiable diffraction for the generator: beams, projected potential, scattering between beams, disks.

May import: classifier, form.
"""
