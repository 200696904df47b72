import json

import pytest

from cbedgan import doctor
from running import verb

WELL = {"disk": {"folder": "here", "free_gib": 9.0, "can_be_written": True}, "memory_gib": {"available": 9.0}}


def test_the_machine_is_told_as_text_and_json(capsys, tmp_path):
    assert verb("doctor", "--json", tmp_path / "machine.json") in (0, 1)
    found, told = json.loads((tmp_path / "machine.json").read_text()), capsys.readouterr().out
    cpu = found["devices"][0]
    assert cpu["device"] == "cpu" and cpu["cores"] >= 1 and f"{cpu['cores']} cores" in told
    assert found["memory_gib"]["total"] > 0 and found["disk"]["free_gib"] >= 0 and "python" in found["versions"]


@pytest.mark.parametrize("change, said", [
    ({}, []),
    ({"disk": {"folder": "here", "free_gib": 0.5, "can_be_written": False}}, ["cannot be written", "0.5 GiB"]),
    ({"memory_gib": {"available": 0.1}}, ["0.1 GiB of memory"]),
    ({"memory_gib": {"available": None}}, [])])
def test_what_gets_in_the_way_is_said(change, said):
    complaints = doctor.complaints(WELL | change)
    assert len(complaints) == len(said) and all(part in line for part, line in zip(said, complaints, strict=True))


def test_missing_packages_are_named_by_their_extra(monkeypatch):
    asked = ["torch>=2.10", "there>=1; extra == 'simulate'", "absent>=1; extra == 'simulate'",
             "whole[all]; extra == 'dev'", "absent ; extra == \"slurm\""]
    monkeypatch.setattr(doctor, "requires", lambda package: asked)
    monkeypatch.setattr(doctor, "_installed", lambda package: package != "absent")
    assert doctor.extras("whole") == {"simulate": ["absent"], "dev": [], "slurm": ["absent"]}


def test_the_report_names_the_command_that_works_in_a_clone():
    found = WELL | {"versions": {"python": "3.11"}, "system": "Linux", "complaints": ["No room."],
                    "memory_gib": {"available": 1.5, "total": 4.0},
                    "devices": [{"device": "cpu", "name": "Two", "cores": 2, "threads": 1, "bf16": False},
                                {"device": "cuda:0", "name": "One", "memory_gib": 80.0, "bf16": True}],
                    "extras": {"simulate": [], "slurm": ["submitit"]}}
    lines = doctor.report(found).splitlines()
    assert "cpu      Two: 2 cores, 1 threads; no bf16 in hardware" in lines
    assert "cuda:0   One: 80.0 GiB; bf16 in hardware" in lines
    assert "extra    slurm: no submitit; in the clone: pip install '.[slurm]'" in lines and lines[-1] == "! No room."
