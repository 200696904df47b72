"""Simulated sets: plan, units of work, shards, merge; and the layout of the published set.

May import: classifier, crystal, simulate.cbed, simulate.pdf, simulate.powder, simulate.xrd, render.
"""
