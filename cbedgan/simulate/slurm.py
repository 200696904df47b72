"""Shares of a set as an array of SLURM jobs, through submitit; a job that runs out of time is queued again."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cbedgan.simulate.held_out import HeldOut
from cbedgan.simulate.manifest import Share
from cbedgan.simulate.set_config import SetConfig
from cbedgan.simulate.simulate import prepare_manifest, simulate
from classifier.foundation.errors import InputError

if TYPE_CHECKING:
    import submitit  # pyright: ignore[reportMissingImports]


@dataclass(frozen=True)
class Cluster:
    """What is asked of the cluster.

    name: "slurm", or "local" for processes of this machine; at_once: array jobs at a time; minutes: of one job, after
    which it is queued again and goes on.
    """

    shares: int
    minutes: int
    at_once: int
    partition: str | None = None
    name: str = "slurm"


@dataclass(frozen=True)
class ShareTask:
    """One share, in the form in which it goes to a node."""

    config: SetConfig
    settings: dict[str, Any]
    share: Share

    def __call__(self) -> str:
        """Work on the share; returns its folder."""
        return str(simulate(self.config, share=self.share, **self.settings))

    def checkpoint(self) -> "submitit.helpers.DelayedSubmission":
        """What is to be queued when time runs out: the same, for finished units are kept."""
        from submitit.helpers import DelayedSubmission  # pyright: ignore[reportMissingImports]

        return DelayedSubmission(self)


def submit(config: SetConfig, cluster: Cluster, *, out: Path, workers: int,
           crystals: Path | None = None, device: str = "cpu", held_out: HeldOut | None = None) -> "list[submitit.Job]":
    """Plan here, then submit every share as a job of its own; `simulate` without a share merges later.

    Paths must mean the same on the nodes. Logs lie in `<out>.slurm`. InputError without submitit or SLURM.

    Parameters
    ----------
    config, out, crystals, device, held_out : as for `simulate`
    cluster : what is asked of it
    workers : processors of a job
    """
    try:
        import submitit  # pyright: ignore[reportMissingImports]
    except ImportError:
        raise InputError(source="--slurm", rule="needs the extra 'slurm'", value="no submitit",
                         remedy="Install it, in the clone: pip install '.[slurm]'.") from None
    out = Path(out).resolve()
    settings = {"out": out, "workers": workers, "device": device, "held_out": held_out,
                "crystals": None if crystals is None else Path(crystals).resolve()}
    if out.exists():
        raise InputError(source=out, rule="shares are submitted while there is work", value="the file is there",
                         remedy="Run the same command without --slurm to see whether it is this set.")
    prepare_manifest(config, **settings)
    try:
        executor = submitit.AutoExecutor(folder=out.with_name(f"{out.name}.slurm"), cluster=cluster.name)
    except RuntimeError as error:
        raise InputError(source="--slurm", rule="SLURM must be reached from here", value=error,
                         remedy="Submit on a login node, or run shards by hand with --shard i/n.") from None
    executor.update_parameters(timeout_min=cluster.minutes, cpus_per_task=workers, name="cbedgan-simulate")
    if cluster.name == "slurm":
        executor.update_parameters(slurm_array_parallelism=cluster.at_once)
        if device == "cuda":
            executor.update_parameters(slurm_gpus_per_node=1)
        if cluster.partition is not None:
            executor.update_parameters(slurm_partition=cluster.partition)
    with executor.batch():  # an array
        return [executor.submit(ShareTask(config, settings, Share(number, cluster.shares)))
                for number in range(1, cluster.shares + 1)]
