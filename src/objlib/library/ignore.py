"""The paths that the user does not want: `.objlibignore`, with the semantics of `.gitignore`.

The rules of a folder apply to everything below it; rules of a deeper folder win over those above;
within one file the last match wins; `!pattern` takes a path back in. As in git, nothing below an
ignored folder can be taken back in, because the walk never enters it.

A rule is asked about one entry itself, never about the folders that contain it: the walk has asked
about those already. That is the one difference from `pathspec.GitIgnoreSpec.match_file`, which
takes whole paths and would let `!logs/` take every file in `logs` back in.

Source: https://git-scm.com/docs/gitignore
"""

from __future__ import annotations

import errno
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from pathspec.patterns.gitignore.base import GitIgnorePatternError
from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

from objlib.errors import ConfigurationError
from objlib.formats.decoding import mark_of
from objlib.library.reach import open_regular

IGNORE_FILE_NAME = ".objlibignore"
#: What is larger holds no rules that anybody wrote.
IGNORE_BYTES_MAX = 1024 * 1024

#: The reason of a rule that somebody wrote.
ASKED = ""

#: POSIX classes as ranges. None begins with what would turn a bracket around.
_CLASSES = {
    "alnum": "0-9A-Za-z",
    "alpha": "A-Za-z",
    "blank": " \t",
    "cntrl": "\x00-\x1f\x7f",
    "digit": "0-9",
    "graph": '"-~!',
    "lower": "a-z",
    "print": " -~",
    "punct": ":-@!-.[-`{-~",
    "space": " \t\n\r\f\v",
    "upper": "A-Z",
    "xdigit": "0-9A-Fa-f",
}
_CLASS = re.compile(rf"\[:({'|'.join(_CLASSES)}):\]")


class BadRules(ConfigurationError):
    """A file of rules cannot be understood. Going on without them would publish something."""


@dataclass(frozen=True, slots=True)
class _Rule:
    regex: re.Pattern[str]
    #: False for `!pattern`.
    is_ignoring: bool
    #: `build/` is about folders only.
    is_folder_only: bool

    def matches(self, path: str, is_folder: bool) -> bool:
        """Return True if the rule names this very entry, not merely a folder around it."""
        if self.is_folder_only:
            end = len(path) + 1
            return is_folder and any(m.end() == end for m in self.regex.finditer(path + "/"))
        match = self.regex.search(path)
        return match is not None and match.groupdict().get("ps_d") is None


@dataclass(frozen=True, slots=True)
class _Layer:
    """The rules of one `.objlibignore`, the last one first."""

    folder: str
    rules: tuple[_Rule, ...]


@dataclass(frozen=True, slots=True)
class Default:
    """Rules of ours, in which case does not count: they come after all that somebody wrote."""

    #: Words for what they leave out.
    reason: str
    lines: tuple[str, ...]

    @property
    def rules(self) -> tuple[_Rule, ...]:
        """The last one first; compiled when a name first asks, for in most libraries none does."""
        return _without_case(self.lines)


@lru_cache
def _without_case(lines: tuple[str, ...]) -> tuple[_Rule, ...]:
    return tuple(
        replace(rule, regex=re.compile(rule.regex.pattern, re.IGNORECASE))
        for rule in _compiled(lines)
    )


@dataclass(frozen=True, slots=True)
class IgnoreRules:
    """The rules in force in one folder of the library; `IgnoreRules()` ignores nothing."""

    layers: tuple[_Layer, ...] = ()
    #: Names of the files in a folder that have rules; a later one goes before an earlier one.
    files: tuple[str, ...] = (IGNORE_FILE_NAME,)
    #: The one that goes before the others first.
    defaults: tuple[Default, ...] = ()
    #: False for a name that no default is about. Every file of a walk is asked for.
    is_candidate: Callable[[str], bool] = lambda _name: False

    def within(self, folder: str, lines: Iterable[str]) -> IgnoreRules:
        """These rules and, above them, those found in `folder` (relative, `""` is the root).

        Raises:
            ValueError: a line cannot be understood; its number is the error's only argument.
        """
        rules = _compiled(lines)
        if not rules:
            return self
        prefix = folder and folder.rstrip("/") + "/"
        return replace(self, layers=(_Layer(prefix, rules), *self.layers))

    def ignores(self, path: str, is_folder: bool = False) -> bool:
        """Return True if the entry at `path` (relative POSIX, no closing slash) is unwanted."""
        return self.reason_against(path, is_folder) is not None

    def reason_against(self, path: str, is_folder: bool = False) -> str | None:
        """Return the reason for leaving an entry out: `ASKED`, or a default's; None for none."""
        for layer in self.layers:
            below = path[len(layer.folder) :]
            for rule in layer.rules:
                if rule.matches(below, is_folder):
                    return ASKED if rule.is_ignoring else None
        if not self.defaults or not self.is_candidate(path.rpartition("/")[2]):
            return None
        for default in self.defaults:
            for rule in default.rules:
                if rule.matches(path, is_folder):
                    return default.reason if rule.is_ignoring else None
        return None


def read_ignore_file(path: Path) -> list[str]:
    """The lines of an ignore file; its mark tells the encoding, without one it is UTF-8.

    Raises:
        OSError: it cannot be read.
        BadRules: it is not in that encoding, or has a NUL, which no text has.
    """
    with open_regular(path) as file:
        content = file.read(IGNORE_BYTES_MAX + 1)
    if len(content) > IGNORE_BYTES_MAX:
        raise OSError(errno.EFBIG, "it is too large for a file of rules", str(path))
    mark = mark_of(content)
    body = content[len(mark.content) :]
    try:
        text = body.decode(mark.encoding)
        before = text.partition("\0")[0] if "\0" in text else None
    except UnicodeDecodeError as error:
        before = body[: error.start].decode(mark.encoding, errors="replace")
    if before is not None:
        raise BadRules(
            f"{path}: line {before.count(chr(10)) + 1} is no text in {mark.encoding.upper()}; save "
            "it as UTF-8, and scan again"
        )
    return text.splitlines()


def _compiled(lines: Iterable[str]) -> tuple[_Rule, ...]:
    rules: list[_Rule] = []
    for number, line in enumerate(lines, start=1):
        try:
            rule = _compile(line)
        except (GitIgnorePatternError, re.error) as error:
            raise ValueError(number) from error
        if rule is not None:
            rules.append(rule)
    return tuple(reversed(rules))


def _compile(line: str) -> _Rule | None:
    pattern = GitIgnoreSpecPattern(_CLASS.sub(lambda named: _CLASSES[named[1]], line))
    if pattern.regex is None or pattern.include is None:
        return None  # a comment or a blank line
    return _Rule(pattern.regex, pattern.include, line.rstrip().endswith("/"))
