"""The metrics of a run as TensorBoard's event files, beside metrics.jsonl, which holds them too."""

from pathlib import Path

from rich.console import Console
from rich.text import Text

from classifier.foundation.atomic import room_needed


class EventLog:
    """Event files of a run folder; without the package `tensorboard` a notice, and nothing is written.

    images_seen: where the run goes on: what an earlier, broken run wrote later than that is purged.
    """

    def __init__(self, folder: Path, *, images_seen: int) -> None:
        self.folder = folder
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            Console(stderr=True, soft_wrap=True).print(Text(
                "no event files for TensorBoard: install the extra `tensorboard`; metrics.jsonl holds all figures",
                style="yellow"))
            self.writer = None
            return
        resumed = any(folder.glob("events.out.tfevents.*"))
        self.writer = SummaryWriter(str(folder), purge_step=images_seen + 1 if resumed else None)

    def write(self, images_seen: int, values: dict[str, float]) -> None:
        """Add one value for each name and see that it is on the disk, as a line of metrics.jsonl is."""
        if self.writer is None:
            return
        with room_needed(self.folder):
            for name, value in values.items():
                self.writer.add_scalar(name, value, images_seen)
            self.writer.flush()

    def close(self) -> None:
        """Close the files."""
        if self.writer is not None:
            self.writer.close()
