"""Which configuration each verb takes, the shipped file that shows it, and which verb a file belongs to."""

from importlib import import_module
from pathlib import Path
from typing import NamedTuple

from classifier.foundation.errors import InputError


class Configuration(NamedTuple):
    """model: "module:Class" of the configuration; file: a complete one, from the folder of all configurations."""

    model: str
    file: str

    def load(self) -> type:
        """The class; loading it may take seconds, which help shall not."""
        module, _, name = self.model.partition(":")
        return getattr(import_module(module), name)


CONFIGURATIONS = {
    "simulate": Configuration("cbedgan.simulate.cbed.simulate_config:SimulateConfig", "demo/simulate.toml"),
    "simulate, xrd": Configuration("cbedgan.simulate.curve_set:XrdSetConfig", "xrd/demo.toml"),
    "simulate, pdf": Configuration("cbedgan.simulate.curve_set:PdfSetConfig", "pdf/demo.toml"),
    "crystals": Configuration("cbedgan.simulate.cbed.simulate_config:SimulateConfig", "demo/simulate.toml"),
    "prepare": Configuration("classifier.published.prepare:PrepareConfig", "olcf/prepare.toml"),
    "import": Configuration("classifier.imported.import_patterns:ImportConfig", "import/import.toml"),
    "import-curves": Configuration("classifier.imported.import_curves:ImportCurvesConfig", "import/powder.toml"),
    "split": Configuration("classifier.samples.split:SplitConfig", "demo/split.toml"),
    "folds": Configuration("classifier.samples.folds:FoldsConfig", "demo/folds.toml"),
    "train-clf": Configuration("classifier.training.train_config:TrainClassifierConfig", "demo/train_clf.toml"),
    "train-baseline": Configuration("classifier.baseline.train_baseline:TrainBaselineConfig",
                                    "baselines/logistic.toml"),
    "adjust-clf": Configuration("classifier.adjustment.post_hoc:PostHocConfig", "demo/adjust_clf.toml"),
    "acquire": Configuration("cbedgan.acquisition.study:AcquireConfig", "acquisition/demo.toml"),
    "train-gan": Configuration("cbedgan.gan.crystals.crystal_config:TrainCrystalsConfig", "demo/train_gan.toml"),
    "train-gan, pixels": Configuration("cbedgan.gan.train_config:TrainGanConfig", "pixels/train_gan.toml"),
    "assess": Configuration("cbedgan.assessment.assess:AssessConfig", "bench/assess_crystals.toml"),
    "probe": Configuration("cbedgan.boundary.probe:ProbeConfig", "pixels/probe.toml"),
    "distort": Configuration("cbedgan.distortion.distort:DistortConfig", "demo/distort.toml"),
    "synthesize": Configuration("cbedgan.synthesis.crystals.synthesize_config:SynthesizeCrystalsConfig",
                                "demo/synthesize.toml"),
    "synthesize, pixels": Configuration("cbedgan.synthesis.synthesize:SynthesizeConfig", "pixels/synthesize.toml"),
    "rounds": Configuration("cbedgan.densify.rounds:RoundsConfig", "demo/rounds.toml"),
    "gate": Configuration("cbedgan.densify.gate:GateConfig", "demo/gate.toml"),
    "choose": Configuration("cbedgan.choice.choose:ChooseConfig", "bench/choose.toml"),
    "compare": Configuration("cbedgan.comparison.study:CompareConfig", "demo/compare.toml"),
    "study": Configuration("cbedgan.study.study_config:StudyConfig", "bench/study.toml"),
    "rank": Configuration("cbedgan.ranking.rank:RankConfig", "bench/compare_methods.toml"),
    "compare-generators": Configuration("cbedgan.ablation.study:CompareGeneratorsConfig",
                                        "bench/compare_generators.toml"),
}


def configuration_of(verb: str) -> Configuration:
    """The configuration of a verb; one that takes none is an InputError."""
    if verb not in CONFIGURATIONS:
        raise InputError(source=f"cbedgan config {verb}", rule="must name a verb that takes a configuration",
                         value=verb, remedy=f"Give one of: {', '.join(CONFIGURATIONS)}.")
    return CONFIGURATIONS[verb]


def refuse_file_of_another_verb(path: Path, content: dict, model: type) -> None:
    """Raise an InputError where a file has keys that a class lacks, and just those that another verb's class wants."""
    if set(content) <= set(model.model_fields):
        return  # its own, with other faults
    for other, configuration in CONFIGURATIONS.items():
        fields = configuration.load().model_fields
        needed = {name for name, field in fields.items() if field.is_required()}
        if needed <= set(content) <= set(fields):
            ours = next((verb for verb, one in CONFIGURATIONS.items() if one.load() is model), "this verb")
            raise InputError(source=path, rule=f"must be a configuration of {ours}", value=f"one of {other}",
                             remedy=f"Give another, or take one to begin with: cbedgan config copy {ours} FILE.")
