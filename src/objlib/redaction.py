"""Keeps a secret out of what is printed, logged or stored, in whichever form it comes back."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from urllib.parse import quote, quote_plus, unquote, urlsplit, urlunsplit

MASK = "***"
#: A form that is shorter may be a word of any text.
_LONG_CHARS = 8
#: In what an answer says, only a secret of so many characters is looked for.
_ECHOED_CHARS = 16
_BACKSLASHES = r"\\{1,8}"
_SHORT = {"\n": "n", "\r": "r", "\t": "t", "\b": "b", "\f": "f"}
_ENTITIES = {"&": "amp", "<": "lt", ">": "gt", '"': "quot", "'": "apos"}


def secrets_of(api_key: str | None, base_url: str) -> tuple[str, ...]:
    """Return what must come out nowhere: the key, and the credentials in an address.

    A user without a password is a token. One with a password is a name and may be any word.
    """
    parts = urlsplit(base_url)
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    of_address = (f"{user}:{password}", password) if password else (user,)
    return tuple(secret for secret in (api_key, *of_address) if secret)


def redacted(text: str, secrets: Iterable[str]) -> str:
    """Return a text without secrets: as they are, in base64 or hex, and escaped in any way.

    Each character may be URL-encoded, once or again and again, or written as JSON, Python or HTML
    write one.
    """
    for secret in secrets:
        text = _pattern_of(secret).sub(MASK, text)
    return text


def echoes_of(secrets: Iterable[str]) -> tuple[bytes, ...]:
    """Return the usual forms of secrets, for a quick look at a large answer.

    A short one may be any word, such as the name of a store, and an answer must come as it is. The
    service's own keys have 39 characters.
    """
    long = (secret for secret in secrets if len(secret) >= _ECHOED_CHARS)
    return tuple(form.encode() for secret in long for form in _usual_forms(secret))


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


def _usual_forms(secret: str) -> list[str]:
    once = quote(secret, safe="")
    forms = [secret, once, quote(secret), quote_plus(secret), quote(once, safe="")]
    forms += [json.dumps(secret)[1:-1], secret.encode().hex(), *_in_base64(secret)]
    return list(dict.fromkeys(forms))


@lru_cache(maxsize=8)
def _pattern_of(secret: str) -> re.Pattern[str]:
    patterns = [_written_anyhow(secret), secret.encode().hex()]
    for form in _in_base64(secret):
        patterns.append(
            "".join(
                letter if letter.isalnum() else _anyhow(letter, is_first=not place)
                for place, letter in enumerate(form)
            )
        )
    return re.compile("|".join(dict.fromkeys(patterns)), re.IGNORECASE)


def _in_base64(secret: str) -> Iterator[str]:
    raw = secret.encode()
    for skipped in range(3):  # where base64 begins within three bytes decides what it looks like
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            encoded = encode(b"\0" * skipped + raw).decode().rstrip("=")
            # The first and the last letter hold bits of the neighbours.
            inner = encoded[(0, 2, 3)[skipped] : -1 if (len(raw) + skipped) % 3 else None]
            if len(inner) >= _LONG_CHARS:
                yield inner


def _written_anyhow(secret: str) -> str:
    return "".join(_anyhow(letter, is_first=not place) for place, letter in enumerate(secret))


def _anyhow(letter: str, *, is_first: bool) -> str:
    """Return the pattern of one character in each way of writing it.

    Runs of backslashes are bounded, or a page full of them would take for ever.
    """
    code, raw = ord(letter), letter.encode()
    units = letter.encode("utf-16-be").hex()
    ways = [
        "".join(f"%(?:25)*{byte:02x}" for byte in raw),
        "".join(f"{_BACKSLASHES}x{byte:02x}" for byte in raw),
        "".join(f"{_BACKSLASHES}u{units[at : at + 4]}" for at in range(0, len(units), 4)),
        f"&#(?:0*{code}|x0*{code:x});",
    ]
    if 127 < code < 256:
        ways.append(f"{_BACKSLASHES}x{code:02x}")
    if letter in _SHORT:
        ways.append(f"{_BACKSLASHES}{_SHORT[letter]}")
    if code > 0xFFFF:
        ways.append(f"{_BACKSLASHES}U{code:08x}")
    if letter in _ENTITIES:
        ways.append(f"&{_ENTITIES[letter]};")
    if letter == " ":
        ways.append(r"\+")
    ways.append(_BACKSLASHES if letter == "\\" else re.escape(letter))  # the shortest is the last
    # Before a backslash there are others in its own way: two ways for a run would take for ever.
    escaped = "" if is_first or letter.isalnum() or letter == "\\" else r"\\{0,8}"
    return f"{escaped}(?:{'|'.join(ways)})"
