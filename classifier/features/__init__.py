"""What a pattern shows: centre, turns and mirrors, lines, disks, Laue zones, and lengths, as features of stacks.

May import: foundation, crystal, pattern.
"""
