"""Write the families of variants: each file of a family is its base plus the difference that families.toml states.

`python configs/families.py` writes them all. A variant's file stands complete; comments come along with their values.
"""

import re
from pathlib import Path

HERE = Path(__file__).parent
SECTION, ENTRY = re.compile(r"\[([\w.]+)\]\s*(#.*)?"), re.compile(r'(\w+) = ("[^"]*"|\[[^]]*\]|[^#\s]+)\s*(#.*)?')
COMMENT_COLUMN = 29

Sections = dict[str, dict[str, tuple[str, str]]]
"""{section: {key: (value as written, comment)}}; the key "" holds the comment of a section's head."""


def read(text: str) -> Sections:
    """Sections of a TOML file in the plain form that all configurations have: one line an entry."""
    sections: Sections = {"": {}}
    for line in filter(None, (line.strip() for line in text.splitlines())):
        if section := SECTION.fullmatch(line):
            current = sections[section[1]] = {"": ("", section[2] or "")}
        elif entry := ENTRY.fullmatch(line):
            current = sections[""] if len(sections) == 1 else current
            current[entry[1]] = (entry[2], entry[3] or "")
        elif not line.startswith("#"):
            raise ValueError(f"not one entry a line: {line}")
    return sections


def changed(base: Sections, difference: Sections) -> Sections:
    """The base with entries replaced, added, or left out where `absent = true` or "absent" says so.

    Another `kind` empties its section first.
    """
    result = {name: dict(entries) for name, entries in base.items()}
    for name, entries in difference.items():
        section = result.setdefault(name, {})
        if "kind" in entries and section.get("kind", ("",))[0] != entries["kind"][0]:
            section.clear()
        section.update({key: entry for key, entry in entries.items() if key or entry[1]})
    return {name: {key: entry for key, entry in entries.items() if entry[0] != '"absent"'}
            for name, entries in result.items() if "absent" not in entries}


def written(about: str, sections: Sections) -> str:
    """A TOML file that opens with the sentence `about`."""
    lines = [f"# {about}"]
    for name, entries in sections.items():
        if name:
            lines += ["", _beside(f"[{name}]", entries.get("", ("", ""))[1])]
        lines += [_beside(f"{key} = {value}", comment) for key, (value, comment) in entries.items() if key]
    return "\n".join(lines) + "\n"


def _beside(text: str, comment: str) -> str:
    return f"{text:<{COMMENT_COLUMN}}{comment}" if comment else text


def families() -> dict[Path, str]:
    """{path: text} of every file that families.toml names, in its order: a base may be a variant before it."""
    variants: dict[tuple[str, str], Sections] = {}
    of_family: dict[str, dict[str, tuple[str, str]]] = {}
    for name, entries in read((HERE / "families.toml").read_text(encoding="utf-8")).items():
        family, *variant = name.split(".")
        if variant:
            variants.setdefault((family, variant[0]), {})[".".join(variant[1:])] = entries
        else:
            of_family[family] = entries
    files: dict[Path, str] = {}
    for (family, variant), difference in variants.items():
        difference[""] = of_family.get(family, {}) | difference[""]
        said = difference[""]
        head = {key: said.pop(key)[0].strip('"') for key in ("about", "base", "part") if key in said}
        path = HERE / f"{head['base']}.toml"
        base = read(files.get(path) or path.read_text(encoding="utf-8"))
        if "part" in head:
            base = {name.removeprefix(head["part"]).removeprefix("."): entries for name, entries in base.items()
                    if name.split(".")[0] == head["part"]}
        files[HERE / family / f"{variant}.toml"] = written(head["about"], changed(base, difference))
    return files


if __name__ == "__main__":
    for path, text in families().items():
        path.write_text(text, encoding="utf-8")
