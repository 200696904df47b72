"""A network that moves drawn crystals: what it knows of them, what may move in their group, the network itself.

May import: classifier, crystal, crystal.natural, crystal.real, crystal.wyckoff.
"""
