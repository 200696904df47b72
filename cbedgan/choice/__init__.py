"""Choosing crystals of a pool by what classifiers say of them.

May import: classifier, simulate.
"""
