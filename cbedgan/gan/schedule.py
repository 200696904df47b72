"""Schedules: every changing setting of the training is a pure function of images_seen."""

import math

from classifier.foundation.config import Config


class Schedule(Config):
    """A value that moves from `start` to `end` along half a cosine and then stays (arXiv 2501.05441, section 4)."""

    start: float
    end: float

    def at(self, share: float) -> float:
        """Value after `share` of the burn-in; 0 or less gives start, 1 or more gives end."""
        share = min(max(share, 0.0), 1.0)
        return self.end + (self.start - self.end) * (1 + math.cos(math.pi * share)) / 2
