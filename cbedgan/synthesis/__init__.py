"""Synthetic stacks: how many, from which latents, and which of them are accepted.

May import: classifier, boundary, gan.network.
"""
