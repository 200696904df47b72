"""What a piece of work costs by the kind of operation and the side of its picture, the dearest first."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch.profiler import ProfilerActivity, profile


@dataclass(frozen=True)
class Cost:
    """An operation of PyTorch on pictures of a side (0: on something else), and its share of the time, 0..1."""

    operation: str
    side_pixels: int
    share: float


def costs(work: Callable[[], object], device: torch.device, *, most: int) -> list[Cost]:
    """Run `work` once and name its `most` dearest operations; what each calls in turn is not counted with it."""
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if device.type == "cuda" else [])]
    with profile(activities=activities, record_shapes=True) as seen:
        work()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
    spent: Counter[tuple[str, int]] = Counter()
    for event in seen.key_averages(group_by_input_shape=True):
        time = event.self_device_time_total if device.type == "cuda" else event.self_cpu_time_total
        first = next((shape for shape in event.input_shapes if shape), [])
        spent[event.key.removeprefix("aten::"), first[-1] if len(first) == 4 else 0] += time
    whole = sum(spent.values())
    return [Cost(name, side, time / whole) for (name, side), time in spent.most_common(most)]
