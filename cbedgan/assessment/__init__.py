"""The stage `assess`: how good a generator is, as JSON and one page.

May import: classifier, fidelity, likeness, gan, gan.network, gan.reporting.
"""
