"""Adversarial training of a generator of crystals, and how crystals are drawn and rendered from it.

May import: classifier, boundary, crystal, crystal_gan.network, gan, gan.network, render, simulate, simulate.cbed.
"""
