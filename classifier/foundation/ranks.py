"""Ranks: the processes that share one training, each with its rows of every batch; without torchrun there is one."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from classifier.foundation.errors import InputError

PATIENCE = timedelta(days=1)  # of ranks that wait for the first to read or write; torchrun ends all when one dies


@dataclass(frozen=True)
class Ranks:
    """Rank `number` of `count`, and its device; control: the group of the CPUs, which never makes a GPU wait."""

    number: int
    count: int
    device: torch.device
    control: Any = None  # dist.ProcessGroup, which not every build of torch has

    @property
    def first(self) -> bool:
        """Whether this rank is the one that writes."""
        return self.number == 0

    def rows(self, batch: int) -> range:
        """The rows of a batch that are this rank's; ranks differ by at most one row."""
        return range(batch * self.number // self.count, batch * (self.number + 1) // self.count)

    def add(self, tensors: list[Tensor]) -> None:
        """Replace float32 tensors by their sums over all ranks, in one message; equal to the bit on every rank."""
        if self.count == 1:
            return
        flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
        dist.all_reduce(flat)
        for tensor, total in zip(tensors, flat.split([tensor.numel() for tensor in tensors]), strict=True):
            tensor.copy_(total.view(tensor.shape))

    def any(self, flag: bool) -> bool:
        """Whether the flag is set on any rank."""
        if self.count == 1:
            return flag
        anywhere = torch.tensor(int(flag))
        dist.all_reduce(anywhere, op=dist.ReduceOp.MAX, group=self.control)
        return bool(anywhere)

    def from_first(self, value: float) -> float:
        """The first rank's value, on every rank."""
        if self.count == 1:
            return value
        shared = torch.tensor(value, dtype=torch.float64)
        dist.broadcast(shared, src=0, group=self.control)
        return float(shared)

    def wait(self) -> None:
        """Return when every rank is here."""
        if self.count > 1:
            dist.barrier(group=self.control)

    @contextmanager
    def first_first(self) -> Iterator[None]:
        """Let the first rank do something before the others, who then find its files."""
        if not self.first:
            self.wait()
        yield
        if self.first:
            self.wait()


@contextmanager
def open_ranks(device: torch.device) -> Iterator[Ranks]:
    """Join the processes that torchrun has started (RANK, WORLD_SIZE, LOCAL_RANK): gloo on CPUs, nccl on GPUs."""
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1:
        yield Ranks(0, 1, device)
        return
    backend = "gloo"
    if device.type == "cuda":
        backend, device = "nccl", torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        if device.index >= torch.cuda.device_count():
            raise InputError(source="torchrun", rule="every process needs a GPU of its own",
                             value=f"process {device.index + 1}, {torch.cuda.device_count()} GPUs",
                             remedy="Lower --nproc-per-node, or set device = \"cpu\".")
        torch.cuda.set_device(device)
    dist.init_process_group(backend, timeout=PATIENCE)
    try:
        yield Ranks(dist.get_rank(), count, device, dist.new_group(backend="gloo", timeout=PATIENCE))
    finally:
        dist.destroy_process_group()
