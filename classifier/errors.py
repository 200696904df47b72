"""The one exception for bad input: it names the source, the rule, the value found and the way out."""

from __future__ import annotations


class InputError(ValueError):
    """Bad input that its user can mend.

    source: file, configuration key or argument at fault; rule: what must hold; value: what was found;
    remedy: what to do about it.
    """

    def __init__(self, *, source: object, rule: str, value: object, remedy: str) -> None:
        self.source, self.rule, self.value, self.remedy = str(source), rule, value, remedy
        super().__init__(f"{source}: {rule}; found {value}. {remedy}")

    def __reduce__(self) -> tuple:
        # Worker processes hand their errors to the parent; keyword-only arguments need to be rebuilt by name.
        return _rebuild, (self.source, self.rule, str(self.value), self.remedy)


def _rebuild(source: str, rule: str, value: str, remedy: str) -> InputError:
    return InputError(source=source, rule=rule, value=value, remedy=remedy)
