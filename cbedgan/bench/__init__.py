"""Benchmarks: one module each; figures are ratios, taken in turns in one run on one machine.

May import: classifier, crystal, simulate.cbed, simulate.pdf, simulate.xrd.
"""
