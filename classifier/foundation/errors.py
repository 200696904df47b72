"""The one exception for bad input: it names the source, the rule, the value found and the way out."""

import struct
import tokenize
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

LONGEST_VALUE = 2000  # characters of a value in a message
# What Python, HDF5, zip, safetensors and the decoders answer to content that is not what it should be.
FAULTS_OF_CONTENT = (OSError, RuntimeError, LookupError, ValueError, TypeError, AttributeError, ArithmeticError,
                     EOFError, MemoryError, AssertionError, SyntaxError, tokenize.TokenError, zipfile.BadZipFile,
                     zlib.error, struct.error)


class InputError(ValueError):
    """Bad input that its user can mend.

    source: file, configuration key or argument at fault; rule: what must hold; value: what was found;
    remedy: what to do about it. The message is one line that every terminal can print, whatever the value holds.
    """

    def __init__(self, *, source: object, rule: str, value: object, remedy: str) -> None:
        self.source, self.rule, self.value, self.remedy = str(source), rule, value, remedy
        shown = str(value)
        if len(shown) > LONGEST_VALUE:
            shown = shown[:LONGEST_VALUE] + " ..."
        super().__init__(_one_line(f"{source}: {rule}; found {shown}. {remedy}"))

    def __reduce__(self) -> tuple:
        # Worker processes hand their errors to the parent; keyword-only arguments need to be rebuilt by name.
        return _rebuild, (self.source, self.rule, str(self.value), self.remedy)


def _rebuild(source: str, rule: str, value: str, remedy: str) -> InputError:
    return InputError(source=source, rule=rule, value=value, remedy=remedy)


def _one_line(text: str) -> str:
    """Line ends become spaces; control signs and the lone surrogates of damaged names are written out."""
    return "".join(sign if sign.isprintable() else " " if sign.isspace() else sign.encode("unicode_escape").decode()
                   for sign in text)


def require(conditions: Iterable[tuple[bool, str, str, object]], *, source: str, remedy: str) -> None:
    """Raise the InputError of the first condition (holds, key of the source, rule, value found) that does not hold."""
    for holds, key, rule, value in conditions:
        if not holds:
            raise InputError(source=f"{source}, {key}", rule=rule, value=value, remedy=remedy)


@contextmanager
def reported(source: object, *, rule: str, remedy: str) -> Iterator[None]:
    """Turn whatever reading foreign content raises into one InputError naming its source."""
    try:
        yield
    except InputError:
        raise
    except FAULTS_OF_CONTENT as error:
        kind = type(error).__name__
        value = f"no entry {error}" if isinstance(error, KeyError) else str(error) or kind
        raise InputError(source=source, rule=rule, value=value, remedy=remedy) from error
