"""Drawing stacks of classes from a generator: z decides the form, where there is one, and what the disks show."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from cbedgan.form.form_bank import NUMBERS, FormBank, with_symmetry_of
from cbedgan.gan.network.config import NetworkConfig
from cbedgan.gan.network.contract import Condition, Generator

SAMPLE_AT_ONCE = 256  # stacks a forward pass


@dataclass(frozen=True, eq=False)
class Sampler:
    """A generator with the forms that its stacks can have, None for one that needs none; strain: see FormBank.draw."""

    generator: Generator
    bank: FormBank | None
    strain: float

    @classmethod
    def of(cls, generator: Generator, bank: FormBank | None, network: NetworkConfig) -> "Sampler":
        """A generator of this configuration with its forms."""
        return cls(generator, bank, network.generator.form_strain or 0.0)

    @property
    def latent_dim(self) -> int:
        """Length of z: the generator's, and the numbers that decide a form."""
        return self.generator.latent_dim + (NUMBERS if self.bank is not None else 0)

    def condition(self, class_idx: Int[Tensor, " B"], z: Float[Tensor, "B L"],
                  other: Float[Tensor, "B E"] | None = None) -> Float[Tensor, "B E"]:
        """Classes and z -> e with the form that z decides.

        other: e of other classes whose lattices stay; only the patterns' symmetry becomes that of class_idx.
        """
        if self.bank is None:
            return self.generator.embed(Condition(class_idx))
        form = self.bank.draw(class_idx.cpu(), z[:, self.generator.latent_dim:].cpu(), self.strain)
        before = None if other is None else self.generator.form_of(other)
        if before is not None:
            form = with_symmetry_of(before.cpu(), form)
        return self.generator.embed(Condition(class_idx, form))

    def mapping(self, z: Float[Tensor, "B L"], e: Float[Tensor, "B E"]) -> Float[Tensor, "B W"]:
        """z and e -> w."""
        return self.generator.mapping(z[:, : self.generator.latent_dim], e)

    @torch.no_grad()
    def sample(self, z: Float[Tensor, "N L"], class_idx: Int[Tensor, " N"]) -> Float[Tensor, "N C *spatial"]:
        """z and classes -> x, batch by batch, without a graph, where the generator lies."""
        device = next(self.generator.parameters()).device
        batches = zip(z.to(device).split(SAMPLE_AT_ONCE), class_idx.to(device).split(SAMPLE_AT_ONCE), strict=True)
        return torch.cat([self.generator.synthesise(self.mapping(part, self.condition(classes, part)))
                          for part, classes in batches])
