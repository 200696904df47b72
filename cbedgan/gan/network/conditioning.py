"""Class embeddings that share what groups share: crystal system + point group + space group."""

import torch
from torch import nn

from classifier.crystal.spacegroup import ClassMap, crystal_system, point_group


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
