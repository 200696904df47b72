"""What decides a study: its arms, seeds and draws, the one question, and the classifier that all arms share."""

from typing import Annotated, Any, Literal

from pydantic import Field

from cbedgan.comparison.evaluate import VerdictConfig
from classifier.adjustment.post_hoc import PostHoc
from classifier.foundation.config import Config, parse_config
from classifier.foundation.errors import require
from classifier.pattern.condition import Condition
from classifier.training.train import TrainClassifierConfig

DUPLICATED = "duplicated"  # the source that needs no file: the training part's own stacks come again
OF_THE_STUDY = ("seed", "judged_under")  # keys of the classifier that no arm sets
STEPS = ("images", "batch")
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_]+$")]
Names = tuple[Name, ...]


class StudyArm(Config):
    """One training condition: what is added, and what else differs from the shared classifier.

    label: of what it adds, in the plural, for sentences; source: name of a stack file that the command line gives, or
    "duplicated"; kind: of its rows, the key "kind" of their provenance; number: of stacks a group, null: all;
    shots: which groups get any; shuffled: whether they get each other's labels; references: arms that it is held
    against beside the one without added stacks; classifier: keys of the classifier, each replaced whole; unequal_steps:
    whether those may change the optimiser's steps; post_hoc: what mends the head afterwards.
    """

    label: str
    source: Name | None = None
    kind: str | None = None
    number: Annotated[int, Field(ge=1)] | None = None
    shots: Annotated[tuple[Literal["few", "medium", "many"], ...], Field(min_length=1)] = ("few", "medium", "many")
    shuffled: bool = False
    references: Names = ()
    classifier: dict[str, Any] = {}
    unequal_steps: bool = False
    post_hoc: PostHoc | None = None


class StudyConfig(Config):
    """arms: by name; nothing: the arm without added stacks, which every gain is taken against; equal_real: the arm of
    an equal number of real stacks, which recovery is taken against.

    seeds: of training, at least three, the same for every arm; source_seeds: of the draws of added stacks, one for all
    seeds, or one for each, so that draws count with the seeds; equal_numbers: whether arms that ask for the same number
    of the same groups are cut to the fewest that any of them can give.
    conditions: under which the arms are judged, the first decides; crystals: which test crystals the question is about;
    judgement: the one question and its statistics; classifier: of all arms.
    """

    arms: Annotated[dict[Name, StudyArm], Field(min_length=2)]
    nothing: Name = "nothing"
    equal_real: Name | None = None
    seeds: tuple[int, ...]
    source_seeds: Annotated[tuple[int, ...], Field(min_length=1)] = (0,)
    equal_numbers: bool = True
    conditions: Annotated[tuple[Condition, ...], Field(min_length=1)] = ("ordinary", "ideal")
    crystals: Literal["all", "real", "random"] = "all"
    judgement: VerdictConfig
    classifier: TrainClassifierConfig

    @property
    def labels(self) -> dict[str, str]:
        """Of the arms, by name."""
        return {name: arm.label for name, arm in self.arms.items()}

    @property
    def sources(self) -> set[str]:
        """Names of the files that arms take stacks from."""
        return {arm.source for arm in self.arms.values() if arm.source is not None} - {DUPLICATED}

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """What is compared: every arm with the one without added stacks and with its references, and the question."""
        primary = self.judgement.primary
        pairs = [(name, other) for name, arm in self.arms.items() for other in (self.nothing, *arm.references)]
        return [pair for pair in dict.fromkeys([*pairs, (primary.arm, primary.reference)]) if pair[0] != pair[1]]

    @property
    def family(self) -> int:
        """Number of comparisons, at most: of every pair in few, medium, many and all groups."""
        return 4 * len(self.pairs)

    def source_seed(self, seed: int) -> int:
        """The draw of added stacks that goes with a seed of training."""
        return self.source_seeds[self.seeds.index(seed) % len(self.source_seeds)]

    def training(self, name: str, seed: int) -> TrainClassifierConfig:
        """The resolved training of an arm with a seed; what is no key of a classifier is an InputError."""
        shared = self.classifier.model_dump(mode="json") | self.arms[name].classifier | {
            "seed": seed, "judged_under": [condition for condition in self.conditions if condition != "ideal"]}
        return parse_config(shared, TrainClassifierConfig, source=f"study configuration, arms.{name}.classifier",
                            own_code=True)

    def check(self) -> None:
        """Refuse (InputError) what contradicts itself, before anything is read or trained."""
        primary, arms = self.judgement.primary, self.arms
        require([
            (len(set(self.seeds)) == len(self.seeds) >= 3, "seeds", "must be at least three different", self.seeds),
            (len(set(self.source_seeds)) == len(self.source_seeds) in (1, len(self.seeds)), "source_seeds",
             "must be one, or a different one for each seed", self.source_seeds),
            (len(set(self.conditions)) == len(self.conditions), "conditions", "must each be named once",
             self.conditions),
            (primary.arm != primary.reference, "judgement.primary", "must name two different arms", primary.arm),
            (self.judgement.replicates >= self.family / self.judgement.alpha, "judgement.replicates",
             f"must be at least the {self.family} comparisons of the family over alpha, or none could be told",
             self.judgement.replicates),
            *((name in arms, key, f"must be among the arms {', '.join(arms)}", name)
              for key, name in (("nothing", self.nothing), ("equal_real", self.equal_real),
                                ("judgement.primary.arm", primary.arm),
                                ("judgement.primary.reference", primary.reference)) if name is not None),
            *((not set(arm.references) - set(arms), f"arms.{name}.references", "must be among the arms", arm.references)
              for name, arm in arms.items()),
            *((arm.source is not None or arm.kind is None and arm.number is None and not arm.shuffled, f"arms.{name}",
               "must have a source for its kind, number or shuffled labels", arm.label) for name, arm in arms.items()),
            *((not set(arm.classifier) & set(OF_THE_STUDY), f"arms.{name}.classifier",
               f"must not set {' or '.join(OF_THE_STUDY)}, which the study sets", sorted(arm.classifier))
              for name, arm in arms.items()),
            *((arm.unequal_steps or not set(arm.classifier) & set(STEPS), f"arms.{name}.classifier",
               f"must not set {' or '.join(STEPS)}, unless unequal_steps = true", sorted(arm.classifier))
              for name, arm in arms.items()),
            (self.nothing not in arms or arms[self.nothing].source is None, f"arms.{self.nothing}.source",
             "must be absent: every gain is taken against this arm", self.nothing),
        ], source="study configuration", remedy="Correct the configuration.")
        for name in arms:
            self.training(name, self.seeds[0])
