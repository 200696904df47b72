import jinja2
import pytest

from classifier.foundation.page import number, page, percent, points, times


@pytest.mark.parametrize(("write", "value", "written"), [
    (points, 0.0634, "+6.3"), (points, -0.0634, "−6.3"), (points, -0.0001, "+0.0"), (points, 0.0, "+0.0"),
    (points, None, "n/a"), (percent, 0.37, "37.0"), (percent, None, "n/a"), (times, 3.146, "3.15"),
    (number, -0.012345, "−0.0123"), (number, float("nan"), "n/a"), (number, 0.0, "0")])
def test_numbers_as_pages_write_them(write, value, written):
    assert write(value) == written


@pytest.fixture
def template(tmp_path, monkeypatch):
    """Put a template into a package; return its name."""
    (tmp_path / "pages").mkdir()
    (tmp_path / "pages/__init__.py").touch()
    text = "{{ share | percent }} {{ name }} {{ picture | png }} {{ name | twice }}"
    (tmp_path / "pages/page.html.j2").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    return "pages", "page.html.j2"


def test_a_page_is_escaped_and_writes_pictures_and_what_is_unknown(template, tmp_path):
    filled = {"unknown": "–", "filters": {"twice": lambda name: 2 * name}, "share": None, "name": "<b>"}
    assert page(*template, **filled, picture=b"abc") == "– &lt;b&gt; YWJj &lt;b&gt;&lt;b&gt;"
    (tmp_path / "abc.png").write_bytes(b"abc")
    assert "YWJj" in page(*template, **filled, picture=tmp_path / "abc.png")
    with pytest.raises(jinja2.UndefinedError, match="picture"):
        page(*template, **filled)
