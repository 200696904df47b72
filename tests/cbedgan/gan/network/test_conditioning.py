"""What classes share through the hierarchy of their embeddings."""

import torch

from cbedgan.gan.network.conditioning import HierarchicalEmbedding
from classifier.crystal.spacegroup import ClassMap


def test_terms_are_shared_by_crystal_system_and_point_group():
    embedding = HierarchicalEmbedding(ClassMap((215, 216, 225, 227)), 4)  # -43m twice, m-3m twice, all cubic
    assert (embedding.system.num_embeddings, embedding.pointgroup.num_embeddings) == (1, 2)
    torch.nn.init.zeros_(embedding.spacegroup.weight)
    e = embedding(torch.arange(4))
    assert torch.equal(e[0], e[1]) and torch.equal(e[2], e[3]) and not torch.equal(e[1], e[2])


def test_learning_one_group_moves_its_relatives():
    embedding = HierarchicalEmbedding(ClassMap((194, 215, 216)), 4)
    embedding(torch.tensor([1])).sum().backward()
    moved = embedding.system.weight.grad[embedding.system_of[2]]
    assert torch.equal(moved, torch.ones(4)) and (embedding.spacegroup.weight.grad[2] == 0).all()
    assert (embedding.system.weight.grad[embedding.system_of[0]] == 0).all()


def test_the_hierarchy_is_rebuilt_from_the_class_map():
    assert set(HierarchicalEmbedding(ClassMap((194, 216)), 4).state_dict()) == {
        "system.weight", "pointgroup.weight", "spacegroup.weight"}
