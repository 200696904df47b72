"""Which method trains the best classifier? Methods x seeds, judged alike and ranked.

May import: classifier, comparison.
"""
