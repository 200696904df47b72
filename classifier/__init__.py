"""Stacks of CBED patterns, their space groups, and the classifier that is trained and judged on them."""
