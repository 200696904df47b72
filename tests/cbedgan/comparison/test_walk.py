import tomllib
from dataclasses import fields

import numpy as np
import pytest

from cbedgan.boundary.probe import ProbeConfig, probe
from cbedgan.boundary.probefile import ProbedPaths, read_probe
from cbedgan.comparison.walk import PICTURES, STEPS, clearest, walk
from classifier.foundation.config import parse_config
from classifier.foundation.errors import InputError
from classifier.samples.split import load_split
from classifier.samples.stackfile import StackFile
from project import CONFIGS


def paths(**columns: list[float]) -> ProbedPaths:
    n = len(columns["crossing"])
    zeros = {column.name: np.zeros(n) for column in fields(ProbedPaths)}
    sound = {"crossings": np.ones(n), "margin_at_a": np.ones(n), "margin_at_b": -np.ones(n), "p_a": np.full(n, 0.4)}
    return ProbedPaths(**{**zeros, **sound, **{name: np.array(values) for name, values in columns.items()}})


def test_the_path_with_the_least_of_a_third_class_is_shown():
    assert clearest(paths(crossing=[0.5, 0.4, 0.6], p_b=[0.2, 0.5, 0.3])) == 1


def test_a_path_that_turns_back_or_begins_in_another_group_is_not():
    assert clearest(paths(crossing=[0.5, 0.5, 0.5, 0.5], p_b=[0.6, 0.5, 0.4, 0.1], crossings=[3, 1, 1, 1],
                          margin_at_a=[1, -1, 1, 1], margin_at_b=[-1, -1, 1, -1])) == 3


def test_a_crossing_in_the_middle_comes_first():
    assert clearest(paths(crossing=[0.02, 0.5], p_b=[0.6, 0.3])) == 1
    assert clearest(paths(crossing=[0.02, np.nan], p_b=[0.6, np.nan])) == 0


def test_without_a_crossing_nothing_is_shown():
    assert clearest(paths(crossing=[np.nan, np.nan], p_b=[np.nan, np.nan])) is None


def test_a_path_is_pictured_with_the_networks_it_was_probed_with(tiny_networks, tmp_path):
    content = tomllib.loads((CONFIGS / "pixels/probe.toml").read_text(encoding="utf-8"))
    config = parse_config(content | {"partners": 1, "paths": 6}, ProbeConfig, source="test")
    files = {"generator": tiny_networks.generator, "classifier": tiny_networks.classifier}
    made = probe(config, **files, stacks=tiny_networks.stacks, split=tiny_networks.split, out=tmp_path / "probe.h5")
    with StackFile(tiny_networks.stacks) as file:
        names = load_split(tiny_networks.split, stack_digest=file.identity).names
    shown = walk(probe=made, **files, split_digest=names)
    assert shown.space_groups[0] in set(read_probe(made).paths.space_group_a) and shown.margin.shape == (STEPS,)
    assert shown.margin[0] > 0 > shown.margin[-1] and len(shown.patterns) == 2 * PICTURES + 1
    with pytest.raises(InputError, match="must have been probed with this classifier"):
        walk(probe=made, generator=tiny_networks.generator, classifier=tiny_networks.second_classifier,
             split_digest=names)
