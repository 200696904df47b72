"""doctor: what this machine offers: processors and their number formats, memory, disk, and which extras are there."""

import os
import platform
import re
import shutil
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any

import torch

from classifier.foundation.run import versions

GIB = 1 << 30
LITTLE_DISK_GIB, LITTLE_MEMORY_GIB = 2.0, 2.0  # below which the demo may not end
FAST_BF16 = {"avx512_bf16", "amx_bf16", "bf16"}  # of a processor that multiplies in bfloat16; others imitate it


def machine(folder: Path = Path(".")) -> dict[str, Any]:
    """Say as JSON content what this machine has; folder: whose disk is looked at."""
    found = {"versions": versions(), "system": platform.platform(), "devices": devices(),
             "memory_gib": {"total": _gib(_total_memory()), "available": _gib(_available_memory())},
             "disk": {"folder": str(Path(folder).resolve()), "free_gib": _gib(shutil.disk_usage(folder).free),
                      "can_be_written": os.access(folder, os.W_OK)},
             "extras": extras()}
    return {**found, "complaints": complaints(found)}


def devices() -> list[dict[str, Any]]:
    """The processor and every GPU: name, cores or memory, and whether it multiplies in bfloat16 itself."""
    found: list[dict[str, Any]] = [{"device": "cpu", "name": _processor(), "cores": len(os.sched_getaffinity(0)) if
                                    hasattr(os, "sched_getaffinity") else os.cpu_count(),
                                    "threads": torch.get_num_threads(), "bf16": bool(FAST_BF16 & _processor_flags())}]
    for number in range(torch.cuda.device_count()):
        of = torch.cuda.get_device_properties(number)
        with torch.cuda.device(number):
            found.append({"device": f"cuda:{number}", "name": of.name, "memory_gib": _gib(of.total_memory),
                          "bf16": torch.cuda.is_bf16_supported(including_emulation=False)})
    return found


def extras(package: str = "cbedgan") -> dict[str, list[str]]:
    """{extra: packages of it that are missing}, empty lists where all are there; {} where nothing is installed."""
    try:
        asked = requires(package) or []
    except PackageNotFoundError:
        return {}
    missing: dict[str, list[str]] = {}
    for line in asked:
        name, extra = re.match(r"[\w.-]+", line), re.search(r"extra == ['\"]([\w-]+)['\"]", line)
        if name is None or extra is None:
            continue
        of = missing.setdefault(extra[1], [])
        if name[0] != package and not _installed(name[0]):
            of.append(name[0])
    return missing


def complaints(found: dict[str, Any]) -> list[str]:
    """What will get in the way, and the way out, of the content of `machine`."""
    said = []
    if not found["disk"]["can_be_written"]:
        said.append(f"{found['disk']['folder']} cannot be written: give --out another folder.")
    if found["disk"]["free_gib"] < LITTLE_DISK_GIB:
        said.append(f"{found['disk']['free_gib']} GiB are free on the disk: make room for {LITTLE_DISK_GIB:g}.")
    available = found["memory_gib"]["available"]
    if available is not None and available < LITTLE_MEMORY_GIB:
        said.append(f"{available} GiB of memory are free: the demo needs about {LITTLE_MEMORY_GIB:g}.")
    return said


def report(found: dict[str, Any]) -> str:
    """The content of `machine` as text."""
    lines = [f"cbedgan {found['versions'].get('cbedgan', '')}, Python {found['versions']['python']}, "
             f"torch {found['versions'].get('torch', '?')}, {found['system']}"]
    for of in found["devices"]:
        size = f"{of['cores']} cores, {of['threads']} threads" if "cores" in of else f"{of['memory_gib']} GiB"
        lines.append(f"{of['device']:8} {of['name']}: {size}; {'bf16' if of['bf16'] else 'no bf16'} in hardware")
    if len(found["devices"]) == 1:
        lines.append('gpu      none that torch can use: `device = "auto"` takes the processor')
    memory, disk = found["memory_gib"], found["disk"]
    lines.append(f"memory   {memory['available']} of {memory['total']} GiB are free")
    lines.append(f"disk     {disk['free_gib']} GiB are free in {disk['folder']}")
    for name, missing in found["extras"].items():
        lines.append(f"extra    {name}: " + (f"no {', '.join(missing)}; in the clone: pip install '.[{name}]'"
                                             if missing else "there"))
    return "\n".join([*lines, *(f"! {line}" for line in found["complaints"])])


def _installed(package: str) -> bool:
    try:
        return bool(version(package))
    except PackageNotFoundError:
        return False


def _gib(size: int | None) -> float | None:
    return None if size is None else round(size / GIB, 1)


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError:
        return ""  # another system


def _processor() -> str:
    named = re.search(r"^model name\s*: (.*)$", _read("/proc/cpuinfo"), re.MULTILINE)
    return named[1] if named else platform.processor() or platform.machine()


def _processor_flags() -> set[str]:
    flags = re.search(r"^(?:flags|Features)\s*: (.*)$", _read("/proc/cpuinfo"), re.MULTILINE)
    return set(flags[1].split()) if flags else set()


def _allowed_memory() -> int | None:
    """Bytes that the container allows; None where there is no such limit."""
    limit = _read("/sys/fs/cgroup/memory.max").strip()
    return int(limit) if limit.isdigit() else None


def _total_memory() -> int | None:
    """Bytes of the machine, or of the container where that allows fewer; None where neither says."""
    try:
        there = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        there = None  # another system
    return min((size for size in (there, _allowed_memory()) if size is not None), default=None)


def _available_memory() -> int | None:
    """Bytes that may still be taken; None where the system does not say."""
    free = re.search(r"^MemAvailable:\s+(\d+) kB$", _read("/proc/meminfo"), re.MULTILINE)
    sizes = [int(free[1]) * 1024] if free else []
    allowed, used = _allowed_memory(), _read("/sys/fs/cgroup/memory.current").strip()
    if allowed is not None and used.isdigit():
        given_back = re.search(r"^inactive_file (\d+)$", _read("/sys/fs/cgroup/memory.stat"), re.MULTILINE)
        sizes.append(max(0, allowed - int(used) + (int(given_back[1]) if given_back else 0)))
    return min(sizes, default=None)
