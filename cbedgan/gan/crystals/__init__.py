"""Adversarial training of a generator of crystals, and how crystals are drawn and rendered from it.

May import: classifier, boundary, crystal, gan, gan.crystals.network, gan.network, render, simulate, simulate.cbed.
"""
