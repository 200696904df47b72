"""Where the judgement changes: margins, crossings and nearest boundary points on the generator's manifold.

May import: classifier, gan.network.
"""
