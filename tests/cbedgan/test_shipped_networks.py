"""The networks that come with the package serve the sets of their plan on every machine."""

import pytest

from cbedgan.demo import NETWORKS, _pretrained, config_folder, data_folder
from classifier.foundation.config import load_config
from classifier.foundation.errors import InputError
from classifier.samples.split import SplitConfig, load_split, split
from classifier.samples.stackfile import StackFile


def test_the_demo_s_networks_serve_its_split(tmp_path):
    stacks = data_folder() / "demo.h5"
    path = split(load_config(config_folder() / "split.toml", SplitConfig), stacks=stacks, out=tmp_path / "split.json")
    parted = load_split(path, stack_digest=StackFile(stacks).identity)
    assert parted.identity.planned and set(_pretrained(parted.names)) == set(NETWORKS)
    with pytest.raises(InputError, match="must be trained on the split"):
        _pretrained(("0" * 64,))
