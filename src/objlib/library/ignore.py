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
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pathspec.patterns.gitignore.base import GitIgnorePatternError
from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

from objlib.library.reach import open_regular

IGNORE_FILE_NAME = ".objlibignore"
#: What is larger holds no rules that anybody wrote.
IGNORE_BYTES_MAX = 1024 * 1024


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
class IgnoreRules:
    """The rules in force in one folder of the library; `IgnoreRules()` ignores nothing."""

    layers: tuple[_Layer, ...] = ()

    def within(self, folder: str, lines: Iterable[str]) -> IgnoreRules:
        """These rules and, above them, those found in `folder` (relative, `""` is the root)."""
        rules = tuple(reversed([rule for line in lines if (rule := _compile(line))]))
        if not rules:
            return self
        prefix = folder and folder.rstrip("/") + "/"
        return IgnoreRules((_Layer(prefix, rules), *self.layers))

    def ignores(self, path: str, is_folder: bool = False) -> bool:
        """Return True if the entry at `path` (relative POSIX, no closing slash) is unwanted."""
        for layer in self.layers:
            below = path[len(layer.folder) :]
            for rule in layer.rules:
                if rule.matches(below, is_folder):
                    return rule.is_ignoring
        return False


def read_ignore_file(path: Path) -> list[str]:
    """The lines of an ignore file, whatever its encoding; raises OSError when it cannot be read."""
    with open_regular(path) as file:
        content = file.read(IGNORE_BYTES_MAX + 1)
    if len(content) > IGNORE_BYTES_MAX:
        raise OSError(errno.EFBIG, "it is too large for a file of rules", str(path))
    return content.decode("utf-8-sig", errors="replace").splitlines()


def _compile(line: str) -> _Rule | None:
    try:
        pattern = GitIgnoreSpecPattern(line)
    except GitIgnorePatternError:
        return None  # git, too, lets a malformed pattern match nothing
    if pattern.regex is None or pattern.include is None:
        return None  # a comment or a blank line
    return _Rule(pattern.regex, pattern.include, line.rstrip().endswith("/"))
