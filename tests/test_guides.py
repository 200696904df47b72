"""The guides work: their files are written and their commands run as they stand; every command and link is right."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from cbedgan.cli import app
from project import ROOT, blocks

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", ROOT / "analysis/LOG.md",
         *sorted((ROOT / "docs").glob("*.md"))]
GUIDES = [path for path in PAGES if " file=" in path.read_text(encoding="utf-8")]


def test_the_readme_is_short_and_names_every_room_and_verb():
    text = PAGES[0].read_text(encoding="utf-8")
    rooms = {path.parent.name for path in ROOT.glob("c*/*/__init__.py")}
    verbs = set(typer.main.get_command(app).commands) - {"bench"}
    assert len(text.splitlines()) <= 100 and {room for room in rooms if not re.search(rf"\b{room}\b", text)} == set()
    assert {verb for verb in verbs if f"`{verb}`" not in text} == set()


def test_there_is_a_guide_for_each_task():
    assert {path.stem for path in GUIDES} == {"own_data", "own_loss", "own_network", "own_crystal_source", "cluster"}


@pytest.mark.slow
@pytest.mark.parametrize("guide", GUIDES, ids=lambda path: path.stem)
def test_a_guide_works(guide, tmp_path):
    for folder in ("configs", "cbedgan"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    script = ""
    for language, name, text in blocks(guide):
        if name:
            (tmp_path / name).write_text(text, encoding="utf-8")
        elif language == "sh":
            script += text
    steps = re.split(r"^\d+\. ", guide.read_text(encoding="utf-8"), flags=re.MULTILINE)
    tests = re.findall(r"`(python -m pytest \S+)`", steps[-1])
    assert len(steps) == 11 and len(tests) == 1, "a guide has ten steps and ends in a test"
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    subprocess.run(["bash", "-euo", "pipefail", "-c", script + tests[0]], cwd=tmp_path, check=True,
                   env=os.environ | {"PATH": path})


def commands(page: Path) -> list[list[str]]:
    """Words of every cbedgan command on a page, those in `code` included; of the log, those of its index."""
    text = page.read_text(encoding="utf-8")
    if page.name == "LOG.md":
        index = text[text.index("## Index"):text.index("\n## 20")]
        words = dict(re.findall(r"\b([SG]) (?:stands )?for\s`([^`]*)`", index))
        lines = [re.sub(r"\b[SG]\b", lambda letter: words[letter[0]], line) + (config and f" --config {config}")
                 for line, config in re.findall(r"\| `(cbedgan [^`]*)` \| ?`?([^` |]*)`?[^|]*\|", index)]
    else:
        lines = [line for language, _, block in blocks(page) if language == "sh"
                 for line in block.replace("\\\n", " ").splitlines()]
        lines += [line for line in re.findall(r"`(cbedgan [^`]*)`", text) if " --" in line]
    words = [shlex.split(part, comments=True) for line in lines for part in line.split(" && ")]
    return [line for line in words if line[:1] == ["cbedgan"] and "..." not in line and "$data" not in line]


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_verbs_options_configs_and_links_are_there(page):
    verbs = typer.main.get_command(app)
    for line in commands(page):
        command, arguments = verbs, line[1:]
        while hasattr(command, "commands"):
            command = command.commands[arguments.pop(0)]
        command.make_context(command.name, arguments)
        for word in line:
            assert not word.startswith("configs/") or (ROOT / word).exists(), word
    for link in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / link).exists(), link
