"""Files that one run leaves as they are.

A narrowing is about a run and says nothing about the library: what is left out is neither new nor
missing, and its document stays. Rules that hold for good are those of `.objlibignore`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from objlib.catalog.part_names import file_of
from objlib.errors import ConfigurationError
from objlib.library.ignore import IgnoreRules

#: The reason for leaving out what this run does not take.
NOT_THIS_TIME = "not wanted this time"


@dataclass(frozen=True, slots=True)
class Narrowing:
    """The files that one run takes: those that an `include` names, but for the others.

    Args:
        exclude: rules as of an `.objlibignore` in the library's folder.
        include: the same; none stands for every file. A file is in where a folder around it is.
        size_bytes_max: files on disk that are larger are left out; None for no limit.

    Raises:
        ConfigurationError: a rule cannot be understood.
    """

    exclude: tuple[str, ...] = ()
    include: tuple[str, ...] = ()
    size_bytes_max: int | None = None
    _excluded: IgnoreRules = field(init=False, repr=False, compare=False)
    _included: IgnoreRules = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_excluded", _rules(self.exclude))
        object.__setattr__(self, "_included", _rules(self.include))

    def leaves_out(self, path: str, size_bytes: int | None = None) -> bool:
        """Return True for a path that this run does not take.

        Args:
            path: of a file, a part of one, or with "/" at its end of a folder.
            size_bytes: of the file, where it is known.
        """
        name = file_of(path)
        if _names(self._excluded, name):
            return True
        if self.include and not name.endswith("/") and not _names(self._included, name):
            return True
        limit = self.size_bytes_max
        return limit is not None and (size_bytes or 0) > limit


def _rules(patterns: Sequence[str]) -> IgnoreRules:
    rules = IgnoreRules()
    for pattern in patterns:
        said = "/" + pattern[2:] if pattern.startswith("./") else pattern
        try:
            more = rules.within("", [said])
        except ValueError as error:
            raise ConfigurationError(f"{pattern!r} is no pattern") from error
        if more is rules:  # a comment or nothing, which would leave nothing out
            raise ConfigurationError(
                f"{pattern!r} names nothing; write \\# for a name that begins with #"
            )
        rules = more
    return rules


def _names(rules: IgnoreRules, path: str) -> bool:
    """Return True if rules name an entry, or a folder around it."""
    segments = path.rstrip("/").split("/")
    last = len(segments)
    return any(
        rules.ignores("/".join(segments[:depth]), depth < last or path.endswith("/"))
        for depth in range(1, last + 1)
    )
