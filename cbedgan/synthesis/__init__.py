"""Synthetic stacks: how many, from which latents, and which of them are accepted."""
