"""Settings: defaults < the user's file < objlib.toml < OBJLIB_* environment < flags.

The API key is no setting: it comes from `GEMINI_API_KEY` (or `GOOGLE_API_KEY`), or from the
system's keyring, so it can end up in no file and no process list.
"""

from __future__ import annotations

import difflib
import json
import os
import stat
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from objlib.congestion.pressure import TIERS
from objlib.errors import ConfigurationError, Hint
from objlib.library.metadata import DEFAULT_TEMPLATES, PathTemplate
from objlib.redaction import without_credentials
from objlib.waits import Waits

CONFIG_FILE = Path("objlib.toml")
GEMINI_BASE_URL = "https://generativelanguage.googleapis.com"

KEY_VARIABLES = ("GEMINI_API_KEY", "GOOGLE_API_KEY")
KEYRING_SERVICE = "objlib"

#: `./objlib.toml` may have come with a library that somebody sent. A file that is merely found says
#: no more than this: how its texts are described, and how fast they go. All else leads the key,
#: files, documents or money to other places, so only the user says it.
ANYBODY_MAY_SET = frozenset(
    {
        "concurrency",
        "gitignore",
        "identity_header",
        "requests_per_minute",
        "semantic",
        "stagger_s",
        "templates",
        "tier",
        "watch_pause_s",
    }
)

_WAITS = Waits()


class Settings(BaseSettings):
    """Everything a user can set. Field names are the keys of objlib.toml."""

    model_config = SettingsConfigDict(
        env_prefix="OBJLIB_", extra="forbid", frozen=True, allow_inf_nan=False
    )

    db: Path = Field(Path("data/library.db"), description="The catalog.")
    store: str = Field(
        "objectivism-library", min_length=1, description="Display name of the store."
    )
    library: Path | None = Field(None, description="The library's folder.")
    base_url: str | None = Field(None, description="A File Search server other than Gemini.")
    keyring: bool = Field(
        False,
        description="Read the key from the system's keyring: keyring set objlib GEMINI_API_KEY.",
    )
    model: str = Field("gemini-3.5-flash", description="The model that answers questions.")
    templates: tuple[str, ...] = Field(
        (), description='Metadata from paths, such as "{course}/Week {week:int} - {title}{ext}".'
    )
    semantic: bool = Field(
        False,
        description="Search the embedded store by meaning too; needs objlib[semantic].",
    )
    follow_links_to: tuple[Path, ...] = Field(
        (),
        description="Folders outside of the library that its symbolic links may lead into.",
    )
    hidden: bool = Field(False, description="Send hidden files and folders, too.")
    gitignore: bool = Field(False, description="Leave out what .gitignore files list, too.")
    identity_header: bool = Field(
        True,
        description="Begin texts with title, course, date and path, to be found by them.",
    )
    concurrency: int = Field(8, ge=1, le=1000, description="Files sent at a time, at most.")
    stagger_s: float = Field(0.0, ge=0, le=3600, description="Seconds between two starts.")
    tier: Literal["free", "1", "2", "3"] | None = Field(
        None, description="Quota tier; without it the rate is found out."
    )
    requests_per_minute: float | None = Field(
        None, gt=0, description="Requests a minute, in place of the tier's."
    )

    settle_s: float = Field(
        _WAITS.settle_s, ge=0, description="A document that shows FAILED may come alive so long."
    )
    lease_s: float = Field(
        _WAITS.lease_s, gt=0, description="How long a claim on a file lasts without a heartbeat."
    )
    poll_deadline_s: float = Field(
        _WAITS.poll_deadline_s, ge=0, description="How long an import may take."
    )
    poll_s: float = Field(
        _WAITS.poll_s, gt=0, description="The first wait between two looks at a document."
    )
    retry_pass_delay_s: float = Field(
        _WAITS.retry_pass_delay_s, ge=0, description="Cool-down before failed files go round again."
    )
    backoff_base_s: float = Field(
        _WAITS.backoff_base_s, ge=0, description="The first back-off after a refusal."
    )
    backoff_cap_s: float = Field(_WAITS.backoff_cap_s, ge=0, description="The longest one.")
    breaker_cooldown_s: float = Field(
        _WAITS.breaker_cooldown_s, gt=0, description="Pause after too many refusals."
    )

    watch_pause_s: float = Field(
        60.0,
        gt=0,
        le=86400,
        description="Pause of a watching sync while the store or the disk is away.",
    )

    @property
    def waits(self) -> Waits:
        """The durations among the settings."""
        return Waits(**{name: getattr(self, name) for name in Waits.__dataclass_fields__})

    @property
    def request_budget(self) -> float | None:
        """Requests a minute: what was set, else the tier's, else no limit until one is met."""
        if self.requests_per_minute is not None or self.tier is None:
            return self.requests_per_minute
        return TIERS[self.tier]

    @property
    def path_templates(self) -> tuple[PathTemplate, ...]:
        """The user's templates, then the default ones. A bad one is a `ConfigurationError`."""
        return (*map(PathTemplate.parse, self.templates), *DEFAULT_TEMPLATES)

    @property
    def server_url(self) -> str | None:
        """A File Search server other than Gemini, or None."""
        return self.base_url or os.environ.get("GOOGLE_GEMINI_BASE_URL") or None


_RESERVED = frozenset(Settings.model_fields) - ANYBODY_MAY_SET


def api_key(settings: Settings) -> str | None:
    """The Gemini API key from the environment, or from the system's keyring if that is wanted.

    Raises:
        ConfigurationError: the keyring is wanted and cannot be read.
    """
    for variable in KEY_VARIABLES:
        if key := os.environ.get(variable, "").strip():
            return _sendable(key, variable)
    return _sendable(_key_from_keyring(), "the keyring") if settings.keyring else None


def _sendable(key: str | None, origin: str) -> str | None:
    """The key, which travels in a header: one line of printable ASCII."""
    if key is not None and not (key.isascii() and key.isprintable()):
        raise ConfigurationError(
            f"the key in {origin} has a line break or another character that no key has; "
            "copy it again"
        )
    return key


def _key_from_keyring() -> str | None:
    try:
        import keyring
    except ImportError as error:
        raise ConfigurationError(
            "keyring = true needs the extra of that name: pip install 'objlib[keyring]'"
        ) from error
    try:
        key = keyring.get_password(KEYRING_SERVICE, KEY_VARIABLES[0])
    except keyring.errors.KeyringError as error:
        raise ConfigurationError(f"the system's keyring cannot be read: {error}") from error
    return (key or "").strip() or None


def shown(settings: Settings) -> dict[str, Any]:
    """Return every setting and its value, as it may be shown."""
    values = settings.model_dump(mode="json")
    if settings.base_url is not None:
        values["base_url"] = without_credentials(settings.base_url) or "no address"
    return values


def key_origin(settings: Settings) -> str | None:
    """Name the source of the key; never the key."""
    for variable in KEY_VARIABLES:
        if os.environ.get(variable, "").strip():
            return variable
    return "keyring" if api_key(settings) else None


def origins(config: Path | None, said: Mapping[str, object]) -> dict[str, str]:
    """Name of a setting -> where its value comes from: `option`, a variable, a file or `default`.

    Args:
        config: the settings file that was named, if one was.
        said: what the command line says; None means nothing was said.
    """
    files = [(str(path), _said_in(path)) for path in (config or CONFIG_FILE, user_file())]
    variables = {variable.upper() for variable in os.environ}

    def origin(name: str) -> str:
        if said.get(name) is not None:
            return "option"
        if (variable := f"OBJLIB_{name.upper()}") in variables:
            return variable
        return next((path for path, said_there in files if name in said_there), "default")

    return {name: origin(name) for name in Settings.model_fields}


def _explained(
    error: ValidationError, path: Path, flags: Mapping[str, object]
) -> ConfigurationError:
    """Return the error for the first setting that is wrong; it names where it was set."""
    first = error.errors()[0]
    name = str(first["loc"][0])
    if first["type"] == "extra_forbidden":
        near = difflib.get_close_matches(name, Settings.model_fields, 1)
        if not near:
            return ConfigurationError(
                f"{path}: there is no setting {name!r}", hint=Hint.WRITE_SETTINGS_FILE
            )
        return ConfigurationError(
            f"{path}: there is no setting {name!r}; did you mean {near[0]!r}?"
        )
    if flags.get(name) is not None:
        where = "an option"
    elif (variable := f"OBJLIB_{name.upper()}") in os.environ:
        where = variable
    else:
        where = str(path if name in _said_in(path) else user_file())
    return ConfigurationError(f"the setting {name!r}, from {where}: {first['msg']}")


def user_file() -> Path:
    """Return the place of the user's own settings file, which may set everything."""
    return _user_folder() / "objlib.toml"


def trust(path: Path) -> tuple[str, ...]:
    """Take a settings file for the user's own from now on; return what only such a file may set.

    Raises:
        ConfigurationError: there is no such file, or this cannot be noted.
    """
    if not path.is_file():
        raise ConfigurationError(f"there is no configuration file {path}")
    noted = _user_folder() / _TRUSTED
    try:
        noted.parent.mkdir(mode=stat.S_IRWXU, parents=True, exist_ok=True)
        if not _is_trusted(path):
            with noted.open("a", encoding="utf-8") as file:
                file.write(f"{_as_noted(path)}\n")
    except OSError as error:
        raise ConfigurationError(f"cannot write {noted}: {error.strerror}") from error
    return _reserved_in(path)


#: Beside the user's settings: a line for each settings file that is the user's own, too.
_TRUSTED = "trusted"


def _user_folder() -> Path:
    said = os.environ.get("XDG_CONFIG_HOME", "")
    try:
        folder = Path(said) if said.startswith("/") else Path("~/.config").expanduser()
    except RuntimeError:  # there is no home, and a folder named "~" may lie here
        folder = Path(os.devnull)
    return folder / "objlib"


def _as_noted(path: Path) -> str:
    return json.dumps(str(path.resolve()))  # on one line, whatever is in the name


def _is_trusted(path: Path) -> bool:
    try:
        return _as_noted(path) in (_user_folder() / _TRUSTED).read_text("utf-8").splitlines()
    except (OSError, ValueError):
        return False


def _said_in(path: Path) -> dict[str, Any]:
    """Return what a file sets; nothing if it cannot be read, for loading it says why."""
    try:
        return tomllib.loads(path.read_text("utf-8")) if path.is_file() else {}
    except (ValueError, OSError):
        return {}


def _reserved_in(path: Path) -> tuple[str, ...]:
    return tuple(name for name in _said_in(path) if name in _RESERVED)


def _refuse_what_only_the_user_sets(path: Path) -> None:
    reserved = _reserved_in(path)
    if reserved and not _is_trusted(path):
        raise ConfigurationError(
            f"{path} sets {', '.join(map(repr, reserved))}, which a file that is merely found may "
            f"not; set {', '.join(f'OBJLIB_{name.upper()}' for name in reserved)}",
            hint=Hint.TRUST_SETTINGS_FILE,
        )


def load_settings(config: Path | None = None, **flags: Any) -> Settings:
    """The settings of this invocation.

    Args:
        config: a TOML file; without it `./objlib.toml` where there is one. Beneath it is the
            user's own file.
        flags: what the command line says; None means nothing was said.

    Raises:
        ConfigurationError: the file cannot be read, or a value makes no sense.
    """
    if config is not None and not config.is_file():
        raise ConfigurationError(f"there is no configuration file {config}")
    path = config or CONFIG_FILE
    if config is None:
        _refuse_what_only_the_user_sets(path)

    class FromFile(Settings):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,
            file_secret_settings: PydanticBaseSettingsSource,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            file_settings = TomlConfigSettingsSource(settings_cls, toml_file=path)
            of_user = TomlConfigSettingsSource(settings_cls, toml_file=user_file())
            return (init_settings, env_settings, file_settings, of_user)

    try:
        return FromFile(**{name: value for name, value in flags.items() if value is not None})
    except ValidationError as error:
        raise _explained(error, path, flags) from error
    except SettingsError as error:
        raise ConfigurationError(
            f"{error}; in the environment a list is written as JSON: "
            """OBJLIB_TEMPLATES='["{course} - {title}{ext}"]'"""
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path} is not UTF-8 text, as TOML must be") from error
    except (ValueError, OSError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}") from error
