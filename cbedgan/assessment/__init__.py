"""The stage `assess`: how good a generator is, as JSON and one page.

May import: classifier, crystal, crystal.census, fidelity, likeness, gan, gan.crystals, gan.network, gan.reporting.
"""
