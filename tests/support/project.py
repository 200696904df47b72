"""Where the project lies, its modules, and the files that its guides let a user write."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
CONFIGS = ROOT / "configs"

# Every module of both packages: {dotted name: file}; a room is named for its folder.
MODULES = {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
           for package in ("classifier", "cbedgan") for path in sorted((ROOT / package).rglob("*.py"))}
FENCE = re.compile(r"^( *)```(\S+)(?: file=(\S+))?\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)


def blocks(page: Path) -> list[tuple[str, str | None, str]]:
    """(language, file name or None, text) of every fenced block, without the indentation of the block."""
    return [(language, name, re.sub(rf"^{indent}", "", text, flags=re.MULTILINE))
            for indent, language, name, text in FENCE.findall(page.read_text(encoding="utf-8"))]


def of_guide(guide: str, name: str) -> str:
    """The text of a file that a guide lets a user write."""
    return next(text for _, file, text in blocks(ROOT / f"docs/{guide}.md") if file == name)
