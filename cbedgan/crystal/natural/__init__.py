"""What nature prefers, as a table of known crystals: elements, charges, compositions, positions, cells, contacts.

May import: classifier.
"""
