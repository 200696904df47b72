"""Generators and discriminator as networks and as files, and how they are sampled.

May import: classifier.
"""
