"""Class embeddings that share what groups share: crystal system + point group + space group."""

import torch
from torch import nn

from classifier.crystal.spacegroup import ClassMap, crystal_system, point_group
from classifier.foundation.config import Config


class ClassNoiseConfig(Config):
    """std: of the noise on e(class) in the mapping, larger for rare classes by beta, see effective_number_noise."""

    std: float = 0.0
    beta: float = 0.99


class HierarchicalEmbedding(nn.Module):
    """e(c) = E_system + E_pointgroup + E_spacegroup for the classes of one class map.

    A group with few materials inherits everything from its point group and crystal system except its own term, which
    starts small and is left small unless its own samples say otherwise.
    """

    system: nn.Embedding
    pointgroup: nn.Embedding
    system_of: torch.Tensor
    pointgroup_of: torch.Tensor

    def __init__(self, class_map: ClassMap, embedding_dim: int, own_scale: float = 0.5) -> None:
        super().__init__()
        for level, name_of in (("system", crystal_system), ("pointgroup", point_group)):
            names = [name_of(number) for number in class_map.space_groups]
            distinct = list(dict.fromkeys(names))
            # Rebuilt from the class map, so it is no part of a checkpoint.
            index = torch.tensor([distinct.index(name) for name in names])
            self.register_buffer(f"{level}_of", index, persistent=False)
            setattr(self, level, nn.Embedding(len(distinct), embedding_dim))
        self.spacegroup = nn.Embedding(len(class_map), embedding_dim)
        with torch.no_grad():
            self.spacegroup.weight.mul_(own_scale)
        self.embedding_dim = embedding_dim

    def forward(self, class_idx: torch.Tensor) -> torch.Tensor:
        """class_idx [B] int64 -> e [B, embedding_dim]."""
        return (self.system(self.system_of[class_idx]) + self.pointgroup(self.pointgroup_of[class_idx])
                + self.spacegroup(class_idx))


def class_embedding(kind: str, class_map: ClassMap, embedding_dim: int) -> nn.Module:
    """The embedding of a class map: "hierarchy", or "flat", in which no class knows of another."""
    if kind == "flat":
        return nn.Embedding(len(class_map), embedding_dim)
    return HierarchicalEmbedding(class_map, embedding_dim)


def effective_number_noise(class_counts: torch.Tensor, std: float, beta: float) -> torch.Tensor:
    """Standard deviation of the class noise of each class, [K], from its number of samples [K]: rare classes get more.

    sigma_c = std * m / E_c with the effective number E_c = (1 - beta^n_c) / (1 - beta) and m such that the mean of
    m / E_c over the classes is 1 (NoisyTwins, arXiv 2304.05866, after arXiv 1901.05555). Classes without a sample get
    the noise of a class with one.
    """
    counts = class_counts.clamp(min=1).double()
    effective = (1 - beta**counts) / (1 - beta)
    return (std / effective / (1 / effective).mean()).float()
