"""One word for one thing: the glossary's names are the code's, and what it forbids is no name of the code."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator

import pytest

from project import ROOT

PACKAGES = ("classifier", "cbedgan")
# Part of a name -> where it may occur.
FORBIDDEN = {
    r"(^|_)nets?(_|$)|Net([A-Z]|$)": ("cbedgan/form/", "cbedgan/render/"),  # rooms that a later generator will not need
    r"put_out": (),
    r"(?i)^judge(s|d|_.*)?$": ("classifier/judgement/", "cbedgan/cli/", "cbedgan/assessment/assess.py",
                               "cbedgan/ranking/", "cbedgan/ablation/"),  # options and keys of configurations
}


def public_names(tree: ast.AST) -> Iterator[str]:
    """Names of classes, functions, arguments, fields and constants that begin with a letter."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            yield node.name
        if isinstance(node, ast.FunctionDef):
            yield from (argument.arg for argument in [*node.args.args, *node.args.kwonlyargs])
        for part in node.body if isinstance(node, ast.Module | ast.ClassDef) else ():
            targets = part.targets if isinstance(part, ast.Assign) else [getattr(part, "target", None)]
            yield from (target.id for target in targets if isinstance(target, ast.Name))


TREES = {path: ast.parse(path.read_text(encoding="utf-8"))
         for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))}
NAMES = {path.relative_to(ROOT).as_posix(): {name for name in public_names(tree) if not name.startswith("_")}
         for path, tree in TREES.items()}


def test_every_word_of_the_glossary_is_a_name_of_the_code():
    rows = re.findall(r"^\| (.*?) \|", (ROOT / "docs/glossary.md").read_text(encoding="utf-8"), re.MULTILINE)
    words = {word for row in rows for word in re.findall(r"`(\w+)`", row)}
    assert len(words) > 30 and words <= set().union(*NAMES.values())


@pytest.mark.parametrize("forbidden", FORBIDDEN)
def test_no_name_has_a_forbidden_word(forbidden):
    assert [(path, name) for path, names in NAMES.items() for name in sorted(names)
            if re.search(forbidden, name) and not path.startswith(FORBIDDEN[forbidden])] == []


@pytest.mark.parametrize("package", PACKAGES)
def test_no_two_public_classes_of_a_package_have_one_name(package):
    names = Counter(node.name for path, tree in TREES.items() if path.is_relative_to(ROOT / package)
                    for node in tree.body if isinstance(node, ast.ClassDef) and not node.name.startswith("_"))
    assert [name for name, count in names.items() if count > 1] == []
