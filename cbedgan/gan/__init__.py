"""The method and its training: loss, penalties, steps, state, reports, the stage `train-gan`.

May import: classifier, form, fidelity, likeness, gan.network.
"""
