"""The GAN's training alone in new processes that share each batch: what they reach together, and the memory of one."""

import multiprocessing
import os
import resource
import socket
import time
from dataclasses import dataclass
from multiprocessing.queues import Queue
from pathlib import Path

import torch

from cbedgan.bench.made_up import made_up_training
from cbedgan.gan.network.precision import tf32
from cbedgan.gan.step import take_step
from cbedgan.gan.train_config import TrainGanConfig
from classifier.foundation.device import choose_device, reproducible
from classifier.foundation.errors import InputError
from classifier.foundation.memory import keep_freed_memory
from classifier.foundation.ranks import open_ranks

KIBIBYTE = 1024 / 1e6  # in megabytes
WARM_UP = 2  # steps, at least: until no new memory is asked for


@dataclass(frozen=True)
class Alone:
    """A training of `steps` steps to be timed, after some to warm up, on made-up stacks below `folder`."""

    config: TrainGanConfig
    folder: Path
    classes: int
    steps: int


@dataclass(frozen=True)
class Throughput:
    """Real images/s of all processes together, and the most memory that the first of them held, on its device."""

    images_per_second: float
    megabytes: float


def in_processes(work: Alone, count: int) -> Throughput:
    """Run `work` in `count` new processes, joined as torchrun joins them."""
    context = multiprocessing.get_context("spawn")
    answer: Queue[Throughput] = context.Queue()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    started = [context.Process(target=_rank, args=(work, number, count, port, answer)) for number in range(count)]
    for process in started:
        process.start()
    try:
        while answer.empty():
            if any(process.exitcode for process in started):
                raise InputError(source="bench train-gan", rule="every process must finish", remedy="Read its message.",
                                 value=[process.exitcode for process in started])
            time.sleep(0.1)
        return answer.get()
    finally:
        for process in started:
            process.join(10)
            process.kill()


def _rank(work: Alone, number: int, count: int, port: int, answer: "Queue[Throughput]") -> None:
    """Train as one of the processes; the first answers."""
    os.environ |= {"RANK": str(number), "LOCAL_RANK": str(number), "WORLD_SIZE": str(count),
                   "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    config = work.config
    with reproducible(config.threads), tf32(), open_ranks(choose_device(config.device)) as ranks:
        state, data = made_up_training(config, work.folder / f"{count}-{number}", work.classes, ranks.device)
        start = 0.0
        keep_freed_memory()
        warm_up = max(WARM_UP, config.penalty.every)
        for step in range(warm_up + work.steps):
            if step == warm_up:
                _settle(ranks.device)
                start = time.perf_counter()
            take_step(state, config, data, ranks)
        _settle(ranks.device)
        rate = work.steps * config.batch / (time.perf_counter() - start)
        if ranks.first:
            answer.put(Throughput(rate, _megabytes(ranks.device)))


def _settle(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _megabytes(device: torch.device) -> float:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * KIBIBYTE
