"""What each part of the generator's recipe is worth: variants of its training x seeds, assessed alike and compared.

May import: classifier, assessment, comparison, gan, gan.crystals, likeness.
"""
