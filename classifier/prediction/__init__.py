"""What a trained classifier answers, how far to trust it, how it scores, and what to label next.

May import: foundation, statistics, crystal, pattern, samples, network.
"""
