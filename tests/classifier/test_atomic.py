"""Files are whole or absent."""

import pytest

from classifier.atomic import atomic_path, read_json, write_json
from classifier.errors import InputError


def test_an_error_while_writing_keeps_the_old_file_and_leaves_no_rest(tmp_path):
    path = tmp_path / "kept.json"
    write_json(path, {"version": 1})
    with pytest.raises(RuntimeError), atomic_path(path) as temporary:
        temporary.write_text("half a fi")
        raise RuntimeError
    assert read_json(path) == {"version": 1}
    assert [entry.name for entry in tmp_path.iterdir()] == ["kept.json"]


@pytest.mark.parametrize("text", ["{\"a\": ", "[1, 2]", "\xff"])
def test_broken_json_is_named(tmp_path, text):
    path = tmp_path / "broken.json"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(InputError, match="broken.json"):
        read_json(path)
