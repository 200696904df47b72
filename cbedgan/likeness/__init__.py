"""All measures of one set of stacks beside the same for real ones in its place, with the bars they should meet.

May import: classifier, fidelity.
"""
