"""How well the pose of raw frames is found: frames of which it is known, and what is found beside the truth.

May import: classifier, crystal, simulate.cbed.
"""
