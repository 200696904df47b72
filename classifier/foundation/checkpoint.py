"""Checkpoints: named parts as safetensors with a JSON header; tensors only, never pickled code, whole or absent."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from classifier.foundation.atomic import atomic_path, write_json
from classifier.foundation.errors import InputError, reported
from classifier.foundation.run import require_same_run

FORMAT = "cbedgan-checkpoint-1"


@dataclass(frozen=True)
class Checkpoint:
    """parts: nested dictionaries and lists of tensors, numbers, strings and None; header: where it came from;
    digest: sha256 of everything in it."""

    parts: dict[str, Any]
    header: dict[str, Any]
    digest: str


def save_checkpoint(path: Path, *, kind: str, parts: dict[str, Any], header: dict[str, Any]) -> str:
    """Write the checkpoint and, beside it, its header as readable JSON; return its digest.

    Parameters
    ----------
    path : NAME.safetensors; the header goes to NAME.json
    kind : what the parts are for, e.g. "classifier" or "gan-training"; no other kind is read from this file
    parts, header : see Checkpoint
    """
    path = Path(path)
    tensors: dict[str, torch.Tensor] = {}
    tree = _detach_tensors(parts, "", tensors)
    description = {"format": FORMAT, "kind": kind, "header": header, "tree": tree}
    text = json.dumps(description, sort_keys=True)
    digest = _digest(text, tensors)
    _require_finite(path, tensors, "Lower the learning rate, or look for damaged samples.")
    with atomic_path(path) as temporary:
        # One key only: safetensors writes several in random order, and equal content should give equal files.
        save_file(tensors, temporary, metadata={"checkpoint": json.dumps([digest, text])})
    write_json(path.with_suffix(".json"), {"kind": kind, "digest": digest, **header})
    return digest


def load_checkpoint(path: Path, *, kind: str, split_digest: str | tuple[str, ...] | None = None,
                    run: dict[str, Any] | None = None) -> Checkpoint:
    """Read a checkpoint of the given kind to the CPU; damage, another format, kind or split is an InputError.

    split_digest: every name of the split that it is used with; the first takes the place of another in the header.
    run: record of the run that goes on from it; a checkpoint of another one is an InputError.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(source=path, rule="the checkpoint must exist", value="no file",
                         remedy="Run the stage that writes it, or correct the path.")
    damaged = "The file is damaged, cut short or of another program; take a copy or train again."
    with reported(path, rule="the file must be a whole safetensors checkpoint", remedy=damaged):
        try:
            with safe_open(path, framework="pt") as stored:
                metadata = stored.metadata() or {}
                # A safetensors file is mapped, not read: copies let the file be replaced while the tensors live on.
                tensors = {key: stored.get_tensor(key).clone() for key in stored.keys()}
        except SafetensorError as error:
            raise ValueError(error) from None
        if "checkpoint" not in metadata:
            raise InputError(source=path, rule="the file must be a checkpoint of cbedgan", remedy=damaged,
                             value=f"safetensors with metadata keys {sorted(metadata)}")
        digest, text = json.loads(metadata["checkpoint"])
        if _digest(text, tensors) != digest:
            raise InputError(source=path, rule="the content must match its stored sha256", remedy=damaged,
                             value="another digest")
        description = json.loads(text)
        if description["format"] != FORMAT or description["kind"] != kind:
            raise InputError(source=path, rule=f"a checkpoint of kind '{kind}' in format {FORMAT} is needed",
                             value=f"kind '{description['kind']}' in format {description['format']}",
                             remedy="Give the checkpoint that the right stage has written.")
        _require_finite(path, tensors, damaged)
        parts, header = _attach_tensors(description["tree"], tensors), description["header"]
        if not isinstance(parts, dict) or not isinstance(header, dict):
            raise TypeError(f"parts are {type(parts).__name__}, the header is {type(header).__name__}")
    if run is not None:
        require_same_run(path, header, run)
    if split_digest is not None:
        names = (split_digest,) if isinstance(split_digest, str) else split_digest
        if header.get("split_digest") not in names:
            raise InputError(source=path, rule=f"the {kind} must be trained on the split it is used with",
                             value=f"split {str(header.get('split_digest'))[:12]}, not {names[0][:12]}",
                             remedy="Train it on this split, or give the split it was trained on.")
        header = {**header, "split_digest": names[0]}
    return Checkpoint(parts, header, digest)


def kind_of(path: Path) -> str | None:
    """The kind of a checkpoint; None for what is none, or cannot be read."""
    try:
        with safe_open(Path(path), framework="pt") as stored:
            return str(json.loads(json.loads((stored.metadata() or {})["checkpoint"])[1])["kind"])
    except (OSError, SafetensorError, ValueError, KeyError, TypeError, IndexError):
        return None


def _require_finite(path: Path, tensors: dict[str, torch.Tensor], remedy: str) -> None:
    """Refuse (InputError) weights that are no numbers; an optimiser's moments may overflow, and are its own matter.

    An input or target that never varies has an infinite spread on purpose, by which it counts as 0 everywhere.
    """
    wrong = [name for name, tensor in tensors.items() if tensor.is_floating_point()
             and not name.startswith("/optimiser") and not torch.isfinite(tensor).all()
             and not (name.endswith(".std") and not tensor.isnan().any() and not tensor.isneginf().any())]
    if wrong:
        raise InputError(source=path, rule="every weight of a checkpoint must be a finite number", remedy=remedy,
                         value=f"NaN or infinity in {len(wrong)} tensors, first {wrong[0].lstrip('/')}")


def _digest(description: str, tensors: dict[str, torch.Tensor]) -> str:
    sha = hashlib.sha256(description.encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        sha.update(f"{name}{tensor.dtype}{tuple(tensor.shape)}".encode())
        sha.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return sha.hexdigest()


def _detach_tensors(node: Any, name: str, tensors: dict[str, torch.Tensor]) -> Any:
    """Move every tensor of the tree into `tensors` and leave {"tensor": name} in its place."""
    if isinstance(node, torch.Tensor):
        tensors[name] = node.detach().cpu().contiguous().clone()
        return {"tensor": name}
    if isinstance(node, dict):
        # Optimiser states have integer keys, which JSON would turn into strings: keep keys as a list of pairs.
        return {"items": [[key, _detach_tensors(value, f"{name}/{key}", tensors)] for key, value in node.items()]}
    if isinstance(node, list | tuple):
        return {"list": [_detach_tensors(value, f"{name}/{index}", tensors) for index, value in enumerate(node)]}
    if node is None or isinstance(node, bool | int | float | str):
        return {"value": node}
    raise TypeError(f"a checkpoint holds tensors, numbers, strings and None, not {type(node).__name__} at {name}")


def _attach_tensors(node: dict[str, Any], tensors: dict[str, torch.Tensor]) -> Any:
    if "tensor" in node:
        return tensors[node["tensor"]]
    if "items" in node:
        return {key: _attach_tensors(value, tensors) for key, value in node["items"]}
    if "list" in node:
        return [_attach_tensors(value, tensors) for value in node["list"]]
    return node["value"]
