"""Keywords that a program may use. `mypy --strict` sees a misspelt one, and so does the call."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypedDict

from objlib.catalog.held import Held
from objlib.reactive.retry import OnRetry
from objlib.sync.plan import Consent


class UploadWishes(TypedDict, total=False):
    """The fields of `objlib.Options`, each of them optional."""

    limit: int | None
    concurrency: int
    stagger_s: float
    retry_failed: bool
    leave_alone_s: float
    reset_existing: bool
    new_store: bool
    held: Held | None


class QuestionWishes(TypedDict, total=False):
    """The wishes of a question."""

    #: About how many passages; the server's default is five.
    top_k: int | None
    #: AIP-160, for instance `year > 1960 AND speaker = "Kennedy"`.
    metadata_filter: str | None
    #: Told (error, attempt that failed, wait in seconds) before it is asked again.
    on_retry: OnRetry | None


class RepairWishes(TypedDict, total=False):
    """The bounds of a repair, each of them optional."""

    #: The library lies on another device than last time, and that is right.
    accept_device: bool
    #: Delete documents of the same files under another library's id, too.
    include_twins: bool
    #: Delete documents that a newer state or a copy of this catalog has uploaded, too.
    include_elsewhere: bool
    #: Delete all documents that are not this library's, too.
    include_foreign: bool


def consent_of(wishes: RepairWishes) -> Consent:
    """Return what may be deleted, going by the wishes."""
    return Consent(
        foreign=wishes.get("include_foreign", False),
        twins=wishes.get("include_twins", False),
        elsewhere=wishes.get("include_elsewhere", False),
    )


class SettingsWishes(TypedDict, total=False):
    """The settings of `objlib.toml`, and which such file to read. None stands for "not said"."""

    config: Path | None
    gitignore: bool
    hidden: bool
    db: Path | None
    store: str | None
    library: Path | None
    follow_links_to: tuple[Path, ...] | None
    base_url: str | None
    model: str | None
    embedding_model: str | None
    templates: Sequence[str] | None
    keyring: bool | None
    semantic: bool | None
    identity_header: bool | None
    concurrency: int | None
    stagger_s: float | None
    tier: Literal["free", "1", "2", "3"] | None
    requests_per_minute: float | None
    settle_s: float | None
    lease_s: float | None
    poll_deadline_s: float | None
    poll_s: float | None
    retry_pass_delay_s: float | None
    backoff_base_s: float | None
    backoff_cap_s: float | None
    breaker_cooldown_s: float | None
    watch_pause_s: float | None
    convert: Mapping[str, str | Sequence[str]] | None
    convert_timeout_s: float | None


def refuse_unknown(method: str, wishes: Mapping[str, Any], known: type) -> None:
    """Raise `TypeError` for a keyword that is in none of the annotations of `known`.

    Python checks plain keywords itself; those of a `TypedDict` it lets through.
    """
    names = known.__annotations__
    for name in wishes:
        if name not in names:
            near = difflib.get_close_matches(name, names, 1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise TypeError(f"{method}() got an unexpected keyword argument {name!r}{hint}")
