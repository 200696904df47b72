"""What mends the head of a trained classifier: adjusted logits, normalised weights, heads trained anew.

May import: foundation, statistics, crystal, pattern, samples, network, prediction, training.
"""
