import io

import pytest
from rich.console import Console

from cbedgan.bench.explain import KINDS, bench_explain, report
from cbedgan.demo import data_folder


@pytest.mark.slow
def test_claims_of_the_bundled_stacks_agree_with_their_groups():
    figures = bench_explain(data_folder() / "demo.h5", None, part="", condition="ideal", most=12, seed=0)
    assert figures["stacks"] == 12 and set(figures["kinds"]) == set(KINDS)
    claimed, right = (sum(counts[name] for counts in figures["kinds"].values()) for name in ("claimed", "right"))
    assert claimed > 50 and right / claimed > 0.95 and figures["agree_with_own_group"] >= 11
    assert all(counts["found"] <= counts["there"] and counts["right"] <= counts["claimed"]
               for counts in figures["kinds"].values())
    console = Console(width=160, file=io.StringIO(), record=True)
    console.print(report([figures]))
    text = console.export_text()
    assert "dark row" in text and "others excluded" in text
