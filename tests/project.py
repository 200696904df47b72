"""Where the project lies, and its modules."""

from pathlib import Path

ROOT = Path(__file__).parents[1]
CONFIGS = ROOT / "configs"

# Every module of both packages: {dotted name: file}; a room is named for its folder.
MODULES = {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
           for package in ("classifier", "cbedgan") for path in sorted((ROOT / package).rglob("*.py"))}
