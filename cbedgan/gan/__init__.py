"""The generator of stacks: a small class-conditional relativistic GAN, its training and its honest measures."""
