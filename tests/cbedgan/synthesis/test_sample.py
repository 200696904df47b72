import json
import os
import signal

import numpy as np
import pytest

from cbedgan.gan.network.generator import load_generator
from cbedgan.synthesis import sample as module
from cbedgan.synthesis.latents import interior
from cbedgan.synthesis.regenerate import regenerate
from cbedgan.synthesis.sample import SampleConfig, read_counts, sample
from classifier.foundation.errors import InputError
from classifier.foundation.run import Interrupted
from classifier.samples.dataset import check_added_source
from classifier.samples.split import load_split
from classifier.samples.stackfile import StackFile

COUNTS = {225: 5, 186: 3}


@pytest.fixture
def run(tiny_networks, tmp_path):
    """Sample from the tiny generator into a file of that name."""
    def made(name, counts=COUNTS, seed=1, mantissa_bits=10, generator=tiny_networks.generator):
        return sample(SampleConfig(seed=seed, counts=counts, mantissa_bits=mantissa_bits), generator=generator,
                      out=tmp_path / f"{name}.h5", device="cpu", threads=1)
    return made


def read(path):
    with StackFile(path) as file:
        return file, file.read(np.arange(len(file)))


def test_the_file_holds_what_was_asked_in_the_order_of_groups(run, tiny_networks):
    file, stacks = read(run("a"))
    assert file.table.space_group.tolist() == [186] * 3 + [225] * 5
    assert set(file.table.origin) == {"synthetic"} and len(set(file.table.material)) == 8
    assert file.mantissa_bits == 10 and stacks.shape == (8, 3, 16, 16) and np.ptp(stacks) > 0
    source = load_generator(tiny_networks.generator)
    assert file.provenance["inputs"]["generator"] == source.digest
    assert (file.pose, file.detector, file.intensity_unit) == (source.frame.pose, source.detector,
                                                               source.frame.intensity_unit)


def test_it_is_a_source_to_train_on_with_the_same_split(run, tiny_networks):
    with StackFile(tiny_networks.stacks) as real:
        split = load_split(tiny_networks.split, stack_digest=real.identity)
    path = run("a")
    assert check_added_source(path, split, stacks=tiny_networks.stacks) == read(path)[0].digest


def test_one_seed_makes_one_file_and_another_seed_another(run):
    first, again, other = (read(run(name, seed=seed)) for name, seed in (("a", 1), ("b", 1), ("c", 2)))
    assert first[0].digest == again[0].digest != other[0].digest
    assert not np.isclose(first[1], other[1]).all(axis=(1, 2, 3)).any()


def test_a_stack_depends_on_its_group_and_number_alone(run):
    few, many = read(run("few")), read(run("many", counts=9))
    assert many[0].table.space_group.tolist() == sorted([186, 194, 216, 225] * 9)
    rows = [many[0].table.sample_id.tolist().index(name) for name in few[0].table.sample_id]
    assert np.allclose(few[1], many[1][rows], rtol=2e-3)


def test_small_batches_make_the_same_stacks(run, monkeypatch):
    whole = read(run("whole", mantissa_bits=23))
    monkeypatch.setattr(module, "BATCH_VALUES", 2 * 3 * 16 * 16)
    parts = read(run("parts", mantissa_bits=23))
    assert whole[0].table.provenance.tolist() == parts[0].table.provenance.tolist()
    assert np.allclose(whole[1], parts[1], rtol=1e-4, atol=1e-9)


def test_any_stack_can_be_made_again_alone_and_is_that_of_synthesize(run, tiny_networks):
    source, (file, stacks) = load_generator(tiny_networks.generator), read(run("a", mantissa_bits=23))
    assert np.allclose(regenerate(file.table.provenance[4], source), stacks[4], rtol=1e-4, atol=1e-9)
    drawn = interior(source, 225, seed=1, numbers=range(1, 2)).records[0]
    assert json.loads(file.table.provenance[4]) == drawn | {"generator_digest": source.digest}


def test_a_finished_file_is_kept_and_another_run_is_refused(run):
    before = run("a").stat().st_mtime_ns
    assert run("a").stat().st_mtime_ns == before
    with pytest.raises(InputError, match="config_digest"):
        run("a", seed=2)


def test_a_stop_request_leaves_no_file(run, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "BATCH_VALUES", 1)
    def stopped(*names_and_groups, **rest):
        os.kill(os.getpid(), signal.SIGTERM)
        return table(*names_and_groups, **rest)
    table = module.synthetic_table
    monkeypatch.setattr(module, "synthetic_table", stopped)
    with pytest.raises(Interrupted):
        run("a")
    assert list(tmp_path.iterdir()) == []


def test_a_group_that_the_generator_does_not_know_is_named(run):
    with pytest.raises(InputError, match=r"found \[1, 230\]. It knows 186, 194, 216, 225"):
        run("a", counts={230: 1, 225: 1, 1: 1})


def test_another_kind_of_checkpoint_is_refused(run, tiny_networks):
    with pytest.raises(InputError, match="generator"):
        run("a", generator=tiny_networks.classifier)


def test_counts_are_read_from_text():
    assert read_counts("225:100,216:50", None) == {225: 100, 216: 50} and read_counts(None, 7) == 7


@pytest.mark.parametrize("groups, every", [("225", None), ("225:0", None), ("225:1,225:2", None), ("225:1", 3),
                                           (None, None), ("a:1", None), ("225:-1", None), ("", None)])
def test_counts_that_say_nothing_clear_are_refused(groups, every):
    with pytest.raises(InputError):
        read_counts(groups, every)
