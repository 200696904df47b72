"""The notebooks run from top to bottom on what ships with the package, and their text says what was measured."""

import json
import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

nbformat = pytest.importorskip("nbformat", reason='needs the extra "notebooks"')
nbclient = pytest.importorskip("nbclient", reason='needs the extra "notebooks"')

NOTEBOOKS = sorted((Path(__file__).parent.parent / "analysis").glob("*.ipynb"))
# The numbers of the text, from the file that the notebook's stage has written and from nothing else of the notebook.
COUNTED = """
import json

content = json.loads((page.parent / "paths.json").read_text())
answers = [(one, m) for one in content["paths"] for m in range(len(one["state"]))]
turns = [(one, m) for one, m in answers if one["state"][m] == "crossed"]
print(json.dumps({
    "paths": len(content["paths"]), "asked": len(answers), "turn": len(turns),
    "crossings": sum(one["answers"][m] == [one["space_group"], one["subgroup"]] for one, m in turns),
    "repeated": sum(one["changes"][m] > 1 for one, m in answers),
    "never": sum(one["state"][m] == "never" for one, m in answers),
    "denied": sum(one["state"][m] == "denied" for one, m in answers), "text": path["text"]}))
"""


def test_there_is_a_notebook():
    assert [path.name for path in NOTEBOOKS] == ["03_boundary.ipynb"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_runs_and_its_text_says_what_was_measured(path):
    notebook = nbformat.read(path, as_version=4)
    notebook.cells.append(nbformat.v4.new_code_cell(COUNTED))
    nbclient.NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(path.parent)}}).execute()
    *cells, counted = notebook.cells
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    assert sum("image/png" in output.get("data", {}) for output in outputs) >= 5
    text = "\n".join(output["data"].get("text/markdown", "") for output in outputs if "data" in output)
    found = json.loads(counted.outputs[0]["text"])
    assert found["text"] in text
    said = re.search(r"\*\*(\d+) paths\*\*.* On (\d+) of (\d+) the margin turns.*; (\d+) of them are crossings\. "
                     r"(\d+) change their sign more than once, and on (\d+) ", text)
    assert said, text
    keys = ("paths", "turn", "asked", "crossings", "repeated", "denied")
    assert [int(number) for number in said.groups()] == [found[key] for key in keys]
    assert f"Of all {found['asked']} questions {found['never']} are never answered" in text
