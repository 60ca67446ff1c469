"""Every page is a record of the service: as HTML for people, as JSON for programs."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from enum import Enum
from functools import lru_cache
from importlib import resources
from typing import Any
from urllib.parse import quote, urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from objlib.service.files import title
from objlib.web import words

JSON = "application/json"


@lru_cache(maxsize=1)
def environment() -> Environment:
    """Return the templates, with what they may call. Everything is escaped."""
    made = Environment(
        loader=PackageLoader("objlib.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals |= {
        "words": words,
        "address": address,
        "count": words.count,
        "title": title,
        "quote": lambda path: quote(path, safe=""),
    }
    return made


def address(path: str, /, **query: object) -> str:
    """Return an address with those of the query's values that are set; a list comes repeated."""
    pairs = {name: value for name, value in query.items() if value not in (None, "", [], ())}
    return f"{path}?{urlencode(pairs, doseq=True)}" if pairs else path


def wants_json(request: Request) -> bool:
    """Return whether a program asks: by `.json`, or by what it accepts."""
    accepted = request.headers.get("accept", "")
    return request.url.path.endswith(".json") or (JSON in accepted and "text/html" not in accepted)


def respond(
    request: Request,
    template: str,
    record: Mapping[str, Any],
    *,
    status: int = 200,
    **context: Any,
) -> Response:
    """Return a page as what was asked for.

    Args:
        record: what the page says; its JSON twin is just that.
        context: what only the HTML needs besides.
    """
    if wants_json(request):
        return JSONResponse(plain(record), status)
    return HTMLResponse(rendered(request, template, {**record, **context}), status)


def rendered(request: Request, template: str, context: Mapping[str, Any]) -> str:
    """Return a template filled in, with what every page has."""
    desk = request.app.state.desk
    shared = {"desk": desk, "path": request.url.path, "form_token": desk.door.form_token}
    return environment().get_template(template).render({**shared, **context})


def plain(value: Any) -> Any:
    """Return a record as JSON has it: enums by their values, records as objects."""
    if isinstance(value, Enum):
        return value.value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)
        }
    if isinstance(value, Mapping):
        return {str(plain(key)): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def static(name: str) -> bytes:
    """Return one of our own static files."""
    return resources.files("objlib.web").joinpath("static", name).read_bytes()
