"""The folder `<out>.parts` of an unfinished set: its manifest, who is at work in it, and what its units have left.

A unit leaves `<unit>.h5`, the stacks that could be made, `<unit>.<view>.h5` for each view of them, and then
`<unit>.json`, which says that it is finished.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cbedgan.simulate.manifest import Job, Manifest, Share, units_of
from classifier.foundation.atomic import read_json, write_json
from classifier.foundation.lock import locked
from classifier.foundation.run import require_same_run


class PartsFolder:
    """The parts folder of the output `out`; `at_work` before anything is written into it."""

    def __init__(self, out: Path) -> None:
        self.folder = out.with_name(out.name + ".parts")

    @property
    def planned(self) -> Path:
        """Folder of what each group's plan has come to."""
        return self.folder / "planned"

    def shard(self, unit: str, view: str = "") -> Path:
        """Stack file of the unit, or of a view of its stacks."""
        return self.folder / (f"{unit}.{view}.h5" if view else f"{unit}.h5")

    def record(self, unit: str) -> Path:
        """JSON file that says that the unit is finished: see `simulate.units.work`."""
        return self.folder / f"{unit}.json"

    def forget(self, unit: str) -> None:
        """Remove what the unit has left, so that it is worked on again."""
        self.record(unit).unlink(missing_ok=True)
        for shard in self.folder.glob(f"{unit}.*h5"):
            shard.unlink()

    @contextmanager
    def at_work(self, *, alone: bool) -> Iterator[None]:
        """Be at work in the folder; alone, or beside other processes that are not alone either (else InputError)."""
        with locked(self.folder / "work.lock", shared=not alone,
                    rule="shards may run beside each other, nothing beside a merge"):
            yield

    def manifest(self, identity: dict[str, Any], plan: Callable[[], Manifest]) -> Manifest:
        """Read the manifest, or plan and write it while others wait; InputError when it is another set's."""
        path = self.folder / "manifest.json"
        if not path.exists():
            # Without locks the plan is made more than once, each time the same.
            with locked(self.folder / "plan.lock", wait=True, rule="a plan is made once"):
                if not path.exists():
                    write_json(path, plan())
        manifest = read_json(path)
        require_same_run(self.folder, manifest, identity)
        return manifest

    def save(self, manifest: Manifest) -> None:
        """Put another manifest in place of the first."""
        write_json(self.folder / "manifest.json", manifest)

    def missing(self, manifest: Manifest, share: Share | None) -> dict[str, list[Job]]:
        """The units of the share that are not finished, {name: jobs}."""
        return {unit: jobs for unit, jobs in units_of(manifest, share).items() if not self.record(unit).exists()}

    def failed(self, manifest: Manifest, share: Share | None) -> dict[str, str]:
        """Which materials of the share's finished units could not be simulated, {material: reason}."""
        failed = {}
        for unit, jobs in units_of(manifest, share).items():
            reasons = read_json(self.record(unit))["failed"]
            failed |= {job["crystal"]["material"]: reasons[job["name"]] for job in jobs if job["name"] in reasons}
        return failed
