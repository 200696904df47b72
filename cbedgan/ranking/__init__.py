"""Which method trains the best classifier? Methods x seeds, scored alike and ranked.

May import: classifier, comparison.
"""
