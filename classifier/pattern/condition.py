"""Names of the conditions under which patterns are measured; what each means stands in `measurement`."""

from typing import Literal

Condition = Literal["ideal", "counted", "counted_1e5", "counted_1e4", "filtered", "ordinary", "poor"]
