"""What a training of the GAN says of itself: metrics, event files, a contact sheet, a look at its averaged generator.

May import: classifier, crystal.census, fidelity, gan.network.
"""
