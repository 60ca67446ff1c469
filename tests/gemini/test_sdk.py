"""What objlib leans on in the SDK is there, and what has moved is said in one line."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from google import genai
from google.genai import types

from objlib.errors import ConfigurationError
from objlib.gemini import client as client_module
from objlib.gemini.sdk import CALLS, FIELDS, check_sdk
from tests.conftest import Cli


class _Without:
    """An object as another, with something in the place of one attribute."""

    def __init__(self, whole: object, path: str, put: object = None) -> None:
        self._whole, self._put = whole, put
        self._first, _, self._rest = path.partition(".")

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._whole, name)
        if name != self._first:
            return found
        return _Without(found, self._rest, self._put) if self._rest else self._put


@pytest.fixture
def calls() -> object:
    """The real ones."""
    return genai.Client(api_key="none").aio


def test_the_installed_sdk_has_all_that_is_called(calls: object) -> None:
    """When this fails a release has moved something: the sentence says what."""
    check_sdk(calls, types)


@pytest.mark.parametrize("path", sorted(CALLS))
def test_a_call_that_has_moved_is_named(calls: object, path: str) -> None:
    """Gone, or with other keywords; never an AttributeError in the middle."""
    with pytest.raises(ConfigurationError, match=f"it has no {re.escape(path)}; pip install"):
        check_sdk(_Without(calls, path), types)
    for keyword in CALLS[path]:
        with pytest.raises(ConfigurationError, match=f"{path} takes no '{keyword}'"):
            kept = [name for name in CALLS[path] if name != keyword]
            check_sdk(_Without(calls, path, _taking(kept)), types)
    check_sdk(_Without(calls, path, lambda **_: None), types)


def _taking(names: list[str]) -> object:
    def call() -> None: ...

    kind = inspect.Parameter.KEYWORD_ONLY
    parameters = [inspect.Parameter(name, kind) for name in names]
    call.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return call


@pytest.mark.parametrize("kind", sorted(FIELDS))
def test_a_field_that_has_moved_is_named(calls: object, kind: str) -> None:
    """So is a type that is gone."""
    for field in FIELDS[kind]:
        real = getattr(types, kind)
        kept = {name: info for name, info in real.model_fields.items() if name != field}
        put = type(kind, (), {"model_fields": kept})
        with pytest.raises(ConfigurationError, match=f"{kind} has no '{field}'"):
            check_sdk(calls, _module(kind, put))
    with pytest.raises(ConfigurationError, match=f"{kind} has no"):
        check_sdk(calls, _module(kind, None))


def _module(name: str, put: object) -> ModuleType:
    module = ModuleType("types")
    module.__dict__.update({**vars(types), name: put})
    return module


def test_every_call_of_the_client_is_looked_at() -> None:
    """A call that is added to the client has to be added to the list."""
    source = Path(client_module.__file__).read_text("utf-8")
    called = set(re.findall(r"self\._calls\.([a-z_.]+)\(", source))
    assert called == set(CALLS)
    assert set(re.findall(r"\btypes\.([A-Z]\w+)\(", source)) <= set(FIELDS)


def test_a_command_says_it_in_one_line(
    cli: Cli, library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And nothing is sent."""
    cli("scan", "--library", library)
    stores = type(genai.Client(api_key="none").aio.file_search_stores)
    monkeypatch.delattr(stores, "import_file")
    outcome = cli("fsm-upload")
    assert outcome.exit_code == 2
    assert "has no file_search_stores.import_file; pip install 'google-genai" in outcome.err
    assert "bug" not in outcome.err
