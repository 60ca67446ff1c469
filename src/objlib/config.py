"""Settings: defaults < the user's file < objlib.toml < OBJLIB_* environment < flags.

The API key is no setting: it comes from `GEMINI_API_KEY` (or `GOOGLE_API_KEY`), or from the
system's keyring, so it can end up in no file and no process list.
"""

from __future__ import annotations

import difflib
import functools
import json
import os
import stat
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any, Literal, get_type_hints

from objlib.congestion.pressure import TIERS
from objlib.errors import ConfigurationError, Hint
from objlib.formats.hook import KEPT_TEXTS, Hooks
from objlib.library.metadata import DEFAULT_TEMPLATES, PathTemplate
from objlib.redaction import without_credentials
from objlib.values import About, Setting
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


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything a user can set. Field names are the keys of objlib.toml.

    Values are converted as those of a file or of the environment are, so a number may be a text.
    A wrong one is a `ConfigurationError`.
    """

    db: Annotated[Path, About("The catalog.")] = Path("data/library.db")
    store: Annotated[str, About("Display name of the store.")] = "objectivism-library"
    library: Annotated[Path | None, About("The library's folder.")] = None
    base_url: Annotated[str | None, About("A File Search server other than Gemini.")] = None
    keyring: Annotated[
        bool, About("Read the key from the system's keyring: keyring set objlib GEMINI_API_KEY.")
    ] = False
    model: Annotated[str, About("The model that answers questions.")] = "gemini-3.5-flash"
    embedding_model: Annotated[
        str | None,
        About("The embedding model of a new store; gemini-embedding-2 takes pictures, too."),
    ] = None
    templates: Annotated[
        tuple[str, ...],
        About('Metadata from paths, such as "{course}/Week {week:int} - {title}{ext}".'),
    ] = ()
    semantic: Annotated[
        bool, About("Search the embedded store by meaning too; needs objlib[semantic].")
    ] = False
    follow_links_to: Annotated[
        tuple[Path, ...],
        About("Folders outside of the library that its symbolic links may lead into."),
    ] = ()
    hidden: Annotated[bool, About("Send hidden files and folders, too.")] = False
    gitignore: Annotated[bool, About("Leave out what .gitignore files list, too.")] = False
    identity_header: Annotated[
        bool, About("Begin texts with title, course, date and path, to be found by them.")
    ] = True
    concurrency: Annotated[int, About("Files sent at a time, at most.", least=1, most=1000)] = 8
    stagger_s: Annotated[float, About("Seconds between two starts.", least=0, most=3600)] = 0.0
    tier: Annotated[
        Literal["free", "1", "2", "3"] | None,
        About("Quota tier; without it the rate is found out."),
    ] = None
    requests_per_minute: Annotated[
        float | None, About("Requests a minute, in place of the tier's.", above=0)
    ] = None

    settle_s: Annotated[
        float, About("A document that shows FAILED may come alive so long.", least=0)
    ] = _WAITS.settle_s
    lease_s: Annotated[
        float, About("How long a claim on a file lasts without a heartbeat.", above=0)
    ] = _WAITS.lease_s
    poll_deadline_s: Annotated[float, About("How long an import may take.", least=0)] = (
        _WAITS.poll_deadline_s
    )
    poll_s: Annotated[float, About("The first wait between two looks at a document.", above=0)] = (
        _WAITS.poll_s
    )
    retry_pass_delay_s: Annotated[
        float, About("Cool-down before failed files go round again.", least=0)
    ] = _WAITS.retry_pass_delay_s
    backoff_base_s: Annotated[float, About("The first back-off after a refusal.", least=0)] = (
        _WAITS.backoff_base_s
    )
    backoff_cap_s: Annotated[float, About("The longest one.", least=0)] = _WAITS.backoff_cap_s
    breaker_cooldown_s: Annotated[float, About("Pause after too many refusals.", above=0)] = (
        _WAITS.breaker_cooldown_s
    )

    convert: Annotated[
        Mapping[str, str | tuple[str, ...]],
        About('Commands that make text of files: {"*.mp3" = "whisper-to-text {path}"}.'),
    ] = field(default_factory=dict)
    convert_timeout_s: Annotated[
        float, About("How long such a command may take for one file.", above=0)
    ] = 3600.0

    watch_pause_s: Annotated[
        float,
        About("Pause of a watching sync while the store or the disk is away.", above=0, most=86400),
    ] = 60.0

    #: The files that say something of `convert`.
    _naming_commands = tuple[Path, ...]()

    def __post_init__(self) -> None:
        for setting in all_settings():
            try:
                value = setting.converted(getattr(self, setting.name))
            except ValueError as error:
                raise ConfigurationError(f"the setting {setting.name!r}: {error}") from error
            object.__setattr__(self, setting.name, value)
        self.hooks()

    def hooks(self, root: Path | None = None) -> Hooks:
        """Return the commands that make text of files.

        Args:
            root: of the library whose files they are run for.

        Raises:
            ConfigurationError: one is wrong, or the file that names them lies in the library.
        """
        for path in self._naming_commands:
            if root is not None and path.resolve().is_relative_to(root.resolve()):
                raise ConfigurationError(
                    f"{path} names commands (convert) and lies in the library itself; what comes "
                    "with a library runs no program, so move the file out of it"
                )
        cache = self.db.with_name(self.db.name + KEPT_TEXTS)
        try:
            return Hooks.of(self.convert, cache, self.convert_timeout_s)
        except ValueError as error:
            raise ConfigurationError(f"the setting 'convert': {error}") from error

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


@functools.cache
def all_settings() -> tuple[Setting, ...]:
    """Return every setting, in the order in which they are shown."""
    hints = get_type_hints(Settings, include_extras=True)
    return tuple(
        Setting.of(
            one.name,
            hints[one.name],
            one.default_factory() if one.default_factory is not MISSING else one.default,
        )
        for one in fields(Settings)
    )


def api_key(settings: Settings) -> str | None:
    """The Gemini API key from the environment, or from the system's keyring if that is wanted.

    Raises:
        ConfigurationError: the keyring is wanted and cannot be read.
    """
    for variable in KEY_VARIABLES:
        if key := os.environ.get(variable, "").strip():
            return _sendable(key, variable)
    return _sendable(_key_from_keyring(), "the keyring") if settings.keyring else None


def is_without_service(settings: Settings) -> bool:
    """Return True if nothing names a File Search elsewhere, so that the embedded one answers.

    Whoever keeps the key in the keyring is not asked to open it.
    """
    has_key = any(os.environ.get(variable, "").strip() for variable in KEY_VARIABLES)
    return settings.server_url is None and not settings.keyring and not has_key


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
    values = {one.name: _plain(getattr(settings, one.name)) for one in all_settings()}
    if settings.base_url is not None:
        values["base_url"] = without_credentials(settings.base_url) or "no address"
    return values


def _plain(value: object) -> object:
    """Return a value as JSON has it."""
    if isinstance(value, tuple):
        return list(map(_plain, value))
    if isinstance(value, Mapping):
        return {name: _plain(one) for name, one in value.items()}
    return str(value) if isinstance(value, Path) else value


def key_origin(settings: Settings) -> str | None:
    """Name the source of the key; never the key."""
    for variable in KEY_VARIABLES:
        if os.environ.get(variable, "").strip():
            return variable
    return "keyring" if api_key(settings) else None


@dataclass(frozen=True, slots=True)
class _Layer:
    """The settings that one place says."""

    said: Mapping[str, object]
    #: Name of a setting -> the place, as `config show` names it.
    origin: Callable[[str], str]


def _layers(path: Path, flags: Mapping[str, object]) -> tuple[_Layer, ...]:
    """Return the places of settings, those first that go before the others."""
    variables = {variable.upper(): text for variable, text in os.environ.items()}
    names = {one.name: f"OBJLIB_{one.name.upper()}" for one in all_settings()}
    return (
        _Layer({k: v for k, v in flags.items() if v is not None}, lambda _name: "option"),
        _Layer({k: variables[v] for k, v in names.items() if v in variables}, names.__getitem__),
        _Layer(_said_in(path), lambda _name: str(path)),
        _Layer(_said_in(user_file()), lambda _name: str(user_file())),
    )


def _said_in(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8")) if path.is_file() else {}
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path} is not UTF-8 text, as TOML must be") from error
    except (ValueError, OSError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}") from error


def origins(config: Path | None, said: Mapping[str, object]) -> dict[str, str]:
    """Name of a setting -> where its value comes from: `option`, a variable, a file or `default`.

    Args:
        config: the settings file that was named, if one was.
        said: what the command line says; None means nothing was said.
    """
    layers = _layers(config or CONFIG_FILE, said)
    return {
        one.name: next(
            (layer.origin(one.name) for layer in layers if one.name in layer.said), "default"
        )
        for one in all_settings()
    }


def _refuse_unknown(path: Path, names: Iterable[str]) -> None:
    known = [one.name for one in all_settings()]
    for name in names:
        if name in known:
            continue
        if near := difflib.get_close_matches(name, known, 1):
            raise ConfigurationError(
                f"{path}: there is no setting {name!r}; did you mean {near[0]!r}?"
            )
        raise ConfigurationError(
            f"{path}: there is no setting {name!r}", hint=Hint.WRITE_SETTINGS_FILE
        )


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
    if path.resolve() == user_file().resolve():
        return True
    try:
        return _as_noted(path) in (_user_folder() / _TRUSTED).read_text("utf-8").splitlines()
    except (OSError, ValueError):
        return False


def _reserved_in(path: Path) -> tuple[str, ...]:
    """Return what a file sets that not everybody may; nothing if loading it says why not."""
    try:
        said = _said_in(path)
    except ConfigurationError:
        return ()
    return tuple(one.name for one in all_settings() if one.name in set(said) - ANYBODY_MAY_SET)


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
    layers = _layers(path, flags)
    options, environment, file, of_user = layers
    if config is None:
        _refuse_what_only_the_user_sets(path)
    _refuse_unknown(path, file.said)
    _refuse_unknown(user_file(), of_user.said)
    values: dict[str, Any] = dict(options.said)
    for setting in all_settings():
        for layer in layers:
            if setting.name in layer.said:
                values[setting.name] = _value(setting, layer, is_text=layer is environment)
                break
    settings = Settings(**values)
    files = ((path, file.said), (user_file(), of_user.said))
    naming = tuple(found for found, said in files if "convert" in said)
    object.__setattr__(settings, "_naming_commands", naming)
    return settings


def _value(setting: Setting, layer: _Layer, *, is_text: bool) -> Any:
    said = layer.said[setting.name]
    try:
        return setting.converted(setting.parsed(str(said)) if is_text else said)
    except ValueError as error:
        where = layer.origin(setting.name).replace("option", "an option")
        raise ConfigurationError(f"the setting {setting.name!r}, from {where}: {error}") from error
