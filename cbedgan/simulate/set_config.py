"""Any configuration of `simulate`: CBED where a file names no kind, else what its kind says."""

from pathlib import Path

from cbedgan.simulate.cbed.simulate_config import SimulateConfig
from cbedgan.simulate.curve_set import AnyCurveSet, PdfSetConfig, XrdSetConfig
from classifier.foundation.config import load_config, read_toml
from classifier.foundation.errors import InputError

SetConfig = SimulateConfig | AnyCurveSet
KINDS: dict[str, type[XrdSetConfig] | type[PdfSetConfig]] = {"xrd": XrdSetConfig, "pdf": PdfSetConfig}


def set_model(path: Path) -> type[SimulateConfig] | type[XrdSetConfig] | type[PdfSetConfig]:
    """The class of a configuration of `simulate`, by the kind that the file names; InputError for an unknown one."""
    kind = read_toml(path).get("kind")
    if kind is None:
        return SimulateConfig
    if kind not in KINDS:
        raise InputError(source=path, rule=f"kind must be one of {', '.join(KINDS)}, or left out for CBED", value=kind,
                         remedy="See docs/powder.md.")
    return KINDS[kind]


def load_set_config(path: Path) -> SetConfig:
    """Read a configuration of `simulate`; InputError where it is none."""
    return load_config(path, set_model(path))
