"""One word for one thing: the glossary's names are the code's, and what it forbids is no name of the code."""

import ast
import re
from collections import Counter
from collections.abc import Iterator

import pytest

from project import MODULES, ROOT

# Part of a name -> where it may occur.
FORBIDDEN = {
    r"(^|_)nets?(_|$)|Net([A-Z]|$)": (),
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


@pytest.fixture(scope="module")
def trees() -> dict[str, ast.Module]:
    """{file, as a path from the root: its syntax} of both packages."""
    return {path.relative_to(ROOT).as_posix(): ast.parse(path.read_text(encoding="utf-8")) for path in MODULES.values()}


@pytest.fixture(scope="module")
def names(trees) -> dict[str, set[str]]:
    return {path: {name for name in public_names(tree) if not name.startswith("_")} for path, tree in trees.items()}


def test_every_word_of_the_glossary_is_a_name_of_the_code(names):
    rows = re.findall(r"^\| (.*?) \|", (ROOT / "docs/glossary.md").read_text(encoding="utf-8"), re.MULTILINE)
    words = {word for row in rows for word in re.findall(r"`(\w+)`", row)}
    assert len(words) > 30 and words <= set().union(*names.values())


@pytest.mark.parametrize("forbidden", FORBIDDEN)
def test_no_name_has_a_forbidden_word(forbidden, names):
    assert [(path, name) for path, ours in names.items() for name in sorted(ours)
            if re.search(forbidden, name) and not path.startswith(FORBIDDEN[forbidden])] == []


@pytest.mark.parametrize("package", ["classifier", "cbedgan"])
def test_no_two_public_classes_of_a_package_have_one_name(package, trees):
    names = Counter(node.name for path, tree in trees.items() if path.startswith(f"{package}/")
                    for node in tree.body if isinstance(node, ast.ClassDef) and not node.name.startswith("_"))
    assert [name for name, count in names.items() if count > 1] == []
