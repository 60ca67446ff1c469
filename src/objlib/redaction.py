"""Keeps a secret out of what is printed, logged or stored, in whichever form it comes back."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable
from functools import lru_cache
from urllib.parse import quote, quote_plus, unquote, urlsplit, urlunsplit

MASK = "***"


def secrets_of(api_key: str | None, base_url: str) -> tuple[str, ...]:
    """Return what must come out nowhere: the key, and the credentials in an address.

    A user without a password is a token. One with a password is a name and may be any word.
    """
    parts = urlsplit(base_url)
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    of_address = (f"{user}:{password}", password) if password else (user,)
    return tuple(secret for secret in (api_key, *of_address) if secret)


def redacted(text: str, secrets: Iterable[str]) -> str:
    """Return a text without secrets: as they are, URL-encoded, in base64, hex or escaped."""
    for secret in secrets:
        text = _forms_of(secret).sub(MASK, text)
    return text


def without_credentials(url: str) -> str:
    """Return an address without user, password, query and fragment; empty for what is none."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        port = "" if parts.port is None else f":{parts.port}"
    except ValueError:
        return ""
    shown = f"[{host}]" if ":" in host else host
    return urlunsplit((parts.scheme, f"{shown}{port}", parts.path, "", ""))


@lru_cache(maxsize=8)
def _forms_of(secret: str) -> re.Pattern[str]:
    raw = secret.encode()
    forms = {secret, quote(secret, safe=""), quote(secret), quote_plus(secret)}
    forms |= {json.dumps(secret)[1:-1], repr(secret)[1:-1], repr(raw)[2:-1], raw.hex()}
    for skipped in range(3):  # where base64 begins within three bytes decides what it looks like
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            encoded = encode(b"\0" * skipped + raw).decode().rstrip("=")
            # The first and the last letter hold bits of the neighbours.
            inner = encoded[(0, 2, 3)[skipped] : -1 if (len(raw) + skipped) % 3 else None]
            if len(inner) >= 8:
                forms.add(inner)
    longest_first = sorted((form for form in forms if form), key=len, reverse=True)
    return re.compile("|".join(map(_whatever_case, longest_first)))


def _whatever_case(form: str) -> str:
    """Return the pattern of a form in which `%2f` is as good as `%2F`."""
    pieces = re.split(r"%([0-9A-F]{2})", form)
    # The texts between the codes stand at even places: one may begin with a "%" of its own.
    return "".join(
        f"(?i:%{piece})" if place % 2 else re.escape(piece) for place, piece in enumerate(pieces)
    )
