"""Differentiable diffraction: of crystals, batched; and of the older generator's forms.

May import: classifier, crystal, simulate.cbed, form.
"""
