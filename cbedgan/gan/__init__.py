"""The method and its training: loss, penalties, steps, state, the stage `train-gan`.

May import: classifier, fidelity, likeness, gan.network, gan.reporting.
"""
