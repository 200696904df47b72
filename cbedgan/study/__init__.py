"""Which added stacks help, against what, and where do they harm? Arms from any stack files, equal steps, one report.

May import: classifier, comparison.
"""
