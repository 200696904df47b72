"""What the report of a comparison says of either kind of generator."""

import json

from cbedgan.comparison.synthesis_told import synthesis_told


def test_a_generator_of_crystals_tells_its_refusals_and_its_pools(tmp_path):
    report = {"quota": {"boundary": {"12": 3, "129": 2}, "hard": {"12": 2}}, "made": {
        "boundary": {"12": {"asked": 3, "made": 3, "refused": {"another group": 2}},
                     "129": {"asked": 2, "made": 0, "refused": {"no class": 1}}},
        "hard": {"12": {"asked": 2, "made": 2, "refused": {"another group": 1}, "pool": 9}}}}
    (tmp_path / "a.h5.report.json").write_text(json.dumps(report))
    told = synthesis_told(tmp_path / "a.h5")
    assert told["groups"] == ["12", "129"] and told["made"]["hard"]["129"]["asked"] == 0
    assert [told["made"]["boundary"][group]["drawn"] for group in ("12", "129")] == [5, 1]
    assert told["made"]["hard"]["12"]["drawn"] == 10 and told["made"]["hard"]["12"]["yield"] == 0.2
    assert told["rejected"] == {"boundary": {"another group": 2, "no class": 1},
                                "hard": {"another group": 1, "no class": 0}}


def test_a_latent_generator_tells_the_same_as_ever(tmp_path):
    row = {"asked": 2, "accepted": 1, "drawn": 4, "yield": 0.5, "rejected": {"copy": 2, "realism": 0}}
    (tmp_path / "a.json").write_text(json.dumps({"quota": {"12": 2}, "made": {"interior": {"12": row}}}))
    told = synthesis_told(tmp_path / "a.h5")
    assert told["made"] == {"interior": {"12": row}} and told["rejected"] == {"interior": {"copy": 2, "realism": 0}}
    assert synthesis_told(tmp_path / "other.h5") is None
