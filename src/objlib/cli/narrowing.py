"""--exclude, --include and --max-size: what one run leaves as it is."""

from __future__ import annotations

import re
from collections.abc import Sequence

from objlib import Narrowing
from objlib.errors import ConfigurationError

_UNITS = {unit: 1024**power for power, unit in enumerate(("", "k", "m", "g", "t"))}
_SIZE = re.compile(r"(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>[kmgt]?)(?:i?b)?", re.IGNORECASE)


def narrowing_of(
    exclude: Sequence[str] = (), include: Sequence[str] = (), max_size: str | None = None
) -> Narrowing | None:
    """Return the narrowing that somebody asks for; None if there is none.

    Raises:
        ConfigurationError: a pattern or the size cannot be understood.
    """
    if not (exclude or include) and max_size is None:
        return None
    limit = None if max_size is None else parsed_size(max_size)
    return Narrowing(tuple(exclude), tuple(include), limit)


def parsed_size(text: str) -> int:
    """Return the bytes of `500k`, `10M`, `1.5 GB`; units are those of 1,024.

    Raises:
        ConfigurationError: it is no size.
    """
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        raise ConfigurationError(f"--max-size takes a size such as 500k, 10M or 1.5G, not {text!r}")
    return int(float(found["number"]) * _UNITS[found["unit"].lower()])
