"""What real-derived crystals rest on: ions and known structure types, exchange of elements, parts kept apart by type.

May import: classifier.
"""
