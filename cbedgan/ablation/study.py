"""compare-generators [stage]: train every variant of a generator with every seed, assess all alike, compare them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field

from cbedgan.ablation.figures import FIGURES, FigureName, figures_of
from cbedgan.ablation.report import content, write_report
from cbedgan.ablation.runs import read_assessment
from cbedgan.ablation.variants import VariantConfig, load_variants, plan_runs
from cbedgan.ablation.verdicts import AblationVerdicts, Values
from cbedgan.assessment.assess import AssessConfig
from cbedgan.comparison.trainings import train_all
from classifier.foundation.atomic import write_json
from classifier.foundation.config import Config, digest
from classifier.foundation.errors import require
from classifier.foundation.run import Run
from classifier.prediction.predict import load_classifier
from classifier.samples.split import load_split
from classifier.samples.stackfile import StackFile


class CompareGeneratorsConfig(Config):
    """seeds: of training, the same for every variant; assessment: of every generator; judgement: of the variants."""

    seeds: Annotated[tuple[int, ...], Field(min_length=2)]
    assessment: AssessConfig
    judgement: AblationVerdicts


def compare_generators(config: CompareGeneratorsConfig, *, variants: Path, stacks: Path, split: Path, out: Path,
                       workers: int, classifier: Path | None = None) -> Path:
    """Train variants x seeds in `workers` processes and write out/report.html, report.json and ablation.txt.

    Rerunning resumes, and may add variants: what is trained and assessed stays. Returns the path of the page.

    Parameters
    ----------
    config : seeds, assessment and verdicts
    variants : folder of *.toml, one variant each
    stacks, split : files
    out : run folder
    workers : processes
    classifier : of this split, whose features the figures are taken in
    """
    out, configs = Path(out), load_variants(variants)
    _check(config, configs)
    with StackFile(stacks) as file:
        parted = load_split(split, stack_digest=file.identity)
    inputs = {"stacks": parted.stack_digest, "split": parted.digest}
    if classifier is not None:
        inputs["classifier"] = load_classifier(classifier, split_digest=parted.names).digest
    with Run.open(out, stage="compare-generators", config=config, inputs=inputs) as run:
        planned = plan_runs(configs, config.seeds, config.assessment, stacks=stacks, split=split, classifier=classifier,
                            out=out)
        write_json(out / "plan.json", {name: [folder.relative_to(out).as_posix() for folder in folders]
                                       for name, folders in planned.folders.items()})
        train_all(planned.jobs, workers, "variants x seeds")
        values, real = measured(planned.folders, config.judgement.reference)
        path = write_report(content(values, real, configs, config.judgement, seeds=config.seeds,
                                    provenance=run.provenance()), out)
        run.finish({"report": path.name})
    return path


def measured(folders: Mapping[str, list[Path]], reference: str) -> tuple[Values, dict[FigureName, float | None]]:
    """Figures {variant: {figure: float [S]}} of assessments, NaN for what is missing, and those of real stacks as the
    reference sees them."""
    read = {name: [read_assessment(folder) for folder in of_seeds] for name, of_seeds in folders.items()}
    values = {name: [figures_of(one) for one in of_seeds] for name, of_seeds in read.items()}
    return ({name: {figure: np.array([one[figure] for one in of_seeds], dtype=float) for figure in FIGURES}
             for name, of_seeds in values.items()}, figures_of(read[reference][0], real=True))


def _check(config: CompareGeneratorsConfig, variants: dict[str, VariantConfig]) -> None:
    require([
        (len(set(config.seeds)) == len(config.seeds), "seeds", "must all be different", config.seeds),
        (config.judgement.reference in variants, "judgement.reference",
         f"must be among the variants {', '.join(variants)}", config.judgement.reference),
        (config.assessment.intensity is not None
         or len({digest(variant.train.intensity) for variant in variants.values()}) == 1, "assessment.intensity",
         "must be given where variants differ in their scale of intensity", None),
    ], source="compare-generators", remedy="Correct it.")
