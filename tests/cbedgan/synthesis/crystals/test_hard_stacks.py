"""Which rows of a pool are kept."""

from cbedgan.choice.preference import Preference
from cbedgan.synthesis.crystals.hard_stacks import preferred
from cbedgan.synthesis.crystals.synthesize_config import HardConfig

DENIED = HardConfig(preference=Preference(kind="denied", power=8.0))


def test_the_denied_are_kept_wherever_in_the_parts_they_are():
    records = [{"made": 2, "probability": [0.99, 0.01]}, {"made": 0}, {"made": 3, "probability": [0.98, 0.02, 0.97]}]
    assert [rows.tolist() for rows in preferred(records, 2, DENIED, [0, 225])] == [[1], [], [1]]
    assert [len(rows) for rows in preferred(records, 9, DENIED, [0, 225])] == [2, 0, 3]  # there are no more
    assert [rows.tolist() for rows in preferred([{"made": 0}], 2, DENIED, [0, 225])] == [[]]
