"""Did the synthetic stacks help? Arms that differ in one argument, paired statistics, one report.

May import: classifier, boundary, gan.network.
"""
