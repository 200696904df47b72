"""Adversarial training of a generator of crystals, and how crystals are drawn and rendered from it.

May import: classifier, crystal, gan, gan.crystals.network, gan.network, gan.reporting, render, simulate, simulate.cbed.
"""
