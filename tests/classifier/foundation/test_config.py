"""Strict configurations: what a user mistypes is refused by name."""

import pytest

from classifier.foundation.config import Config, digest, load_config
from classifier.foundation.errors import InputError


class Inner(Config):
    widths: tuple[int, ...]


class Example(Config):
    seed: int
    rate: float
    inner: Inner


def write(tmp_path, text):
    path = tmp_path / "example.toml"
    path.write_text(text)
    return path


def test_a_complete_file_is_read(tmp_path):
    config = load_config(write(tmp_path, "seed = 3\nrate = 1\n[inner]\nwidths = [4, 8]\n"), Example)
    assert (config.seed, config.rate, config.inner.widths) == (3, 1.0, (4, 8))


@pytest.mark.parametrize(("text", "named"), [
    ("seed = 3\nrate = 1.0\nsped = 1\n[inner]\nwidths = [4]\n", "`sped`"),
    ("seed = 3\nrate = 1.0\n[inner]\nwidth = [4]\n", "`inner.width`"),
    ("seed = '3'\nrate = 1.0\n[inner]\nwidths = [4]\n", "`seed`"),
    ("rate = 1.0\n[inner]\nwidths = [4]\n", "`seed`"),
    ("seed = 3\nrate = nan\n[inner]\nwidths = [4]\n", "`rate`"),
    ("seed 3", "TOML")])
def test_a_faulty_file_names_itself_and_its_key(tmp_path, text, named):
    path = write(tmp_path, text)
    with pytest.raises(InputError) as caught:
        load_config(path, Example)
    assert str(path) in str(caught.value) and named in str(caught.value)


def test_a_missing_file_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match="must exist"):
        load_config(tmp_path / "absent.toml", Example)


def test_the_digest_ignores_key_order_and_sees_every_value():
    assert digest({"a": 1, "b": [1, 2]}) == digest({"b": [1, 2], "a": 1})
    assert digest({"a": 1, "b": [1, 2]}) != digest({"a": 1, "b": [2, 1]})
