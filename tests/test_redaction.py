"""A secret is told in no form."""

from __future__ import annotations

import base64
import html
import json
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from objlib.redaction import redacted, secrets_of, without_credentials

printable = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=12, max_size=60)
passwords = st.text(st.characters(exclude_categories=["Cs"]), min_size=12, max_size=40)


@example("%0:0000^?000", b"", b"")  # begins as a code does, and is none
@example("%AF(000%af[00", b"", b"")
@example("00000000000\r", b"", b"")
@example("00000000000\U00018cd6", b"", b"")
@example('"00000000000', b"", b"")
@example("00000000000&", b"", b"")
@given(st.one_of(printable, passwords), st.binary(max_size=5), st.binary(max_size=5))
def test_no_form_of_a_secret_is_left(secret: str, before: bytes, after: bytes) -> None:
    """For all secrets: URL-encoded again and again, escaped in any way, in hex and in base64."""
    raw = secret.encode()
    once = quote(secret, safe="")
    for form in (
        secret,
        once,
        once.lower(),
        quote(once, safe=""),
        quote(quote(once, safe=""), safe=""),
        quote_plus(secret),
        "".join(f"%{byte:02x}" for byte in raw),
        json.dumps(secret)[1:-1],
        json.dumps(json.dumps(secret))[3:-3],
        repr(secret)[1:-1],
        repr(raw)[2:-1],
        raw.hex(),
        html.escape(secret),
        "".join(f"&#{ord(letter)};" for letter in secret),
        "".join(f"&#x{ord(letter):X};" for letter in secret),
    ):
        # A backslash before the first character tells nothing.
        assert redacted(f"<{form}>", [secret]).replace("\\", "") == "<***>"
    shown = redacted(base64.b64encode(before + raw + after).decode(), [secret])
    assert "***" in shown


@pytest.mark.parametrize("flood", ["\\" * 100_000, "%" + "25" * 50_000, "&#" + "0" * 100_000])
def test_a_page_full_of_escapes_takes_no_longer_than_another(flood: str) -> None:
    """A pattern that tries again at each of them would never come to an end."""
    assert redacted(flood, ["AIza/Sy+of=somebody~0123456789"]) == flood


@pytest.mark.parametrize("secret", ["ab\\\\cd", "ab\\\\\\cd"])
def test_backslashes_in_a_secret_make_no_page_take_for_ever(secret: str) -> None:
    """Two ways for one run of them would be tried in all their combinations."""
    flood = ("ab" + "\\" * 16) * 5_000
    assert redacted(flood, [secret]) == flood
    assert redacted(f"<{secret}>", [secret]) == "<***>"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://user:pw@host.example/v1?key=k#f", "https://host.example/v1"),
        ("http://[::1]:8471", "http://[::1]:8471"),
        ("http://host:99999", ""),
        ("http://[", ""),
    ],
)
def test_an_address_is_shown_without_what_is_secret_in_it(url: str, shown: str) -> None:
    """User, password, query and fragment go; what is no address is not repeated."""
    assert without_credentials(url) == shown


@pytest.mark.parametrize(
    ("key", "url", "secrets"),
    [
        (None, "http://host", ()),
        ("key", "http://host", ("key",)),
        (None, "http://me:p%40ss@host", ("me:p@ss", "p@ss")),
        ("key", "http://token@host", ("key", "token")),
    ],
)
def test_key_and_credentials_of_an_address_are_secret(
    key: str | None, url: str, secrets: tuple[str, ...]
) -> None:
    """A user's name is not: it may be any word."""
    assert secrets_of(key, url) == secrets
