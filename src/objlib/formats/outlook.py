"""Outlook's messages (`.msg`), by olefile.

Sources: [MS-OXMSG], Microsoft, sections 2.1 and 2.2 (storages and property streams); [MS-OXPROPS]
(the numbers of properties); [MS-OXRTFCP] (compressed RTF).
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import olefile  # type: ignore[import-untyped]

from objlib.formats import html, rtf
from objlib.formats.declared import decoded
from objlib.formats.decoding import decode_text
from objlib.formats.mail import DEPTH_MAX, Parts
from objlib.formats.reading import Missing, Unreadable

_SUBJECT, _SENDER, _SENDER_ADDRESS, _TO, _CC = "0037", "0C1A", "5D01", "0E04", "0E03"
_BODY, _HTML, _RTF = "1000", "1013", "1009"
_LONG_NAME, _NAME, _SHORT_NAME = "3707", "3001", "3704"
_MESSAGE_WITHIN = "__substg1.0_3701000D"
_SENT, _DELIVERED = 0x0039, 0x0E06
_EPOCH = datetime(1601, 1, 1)  # noqa: DTZ001  (it is said to be UTC below)

#: What a compressed RTF text may refer back to before its beginning.
_DICTIONARY = (
    rb"{\rtf1\ansi\mac\deff0\deftab720{\fonttbl;}{\f0\fnil \froman \fswiss \fmodern \fscript "
    rb"\fdecor MS Sans SerifSymbolArialTimes New RomanCourier{\colortbl\red0\green0\blue0"
    b"\r\n"
    rb"\par \pard\plain\f0\fs20\b\i\u\tab\tx"
)
_RING = 4096
_RTF_BYTES_MAX = 50 * 1024 * 1024


def message(content: bytes) -> Iterator[str | Missing]:
    """Yield a message: its headers, its text, the names of what is attached."""
    with olefile.OleFileIO(io.BytesIO(content)) as file:
        if not file.exists("__properties_version1.0"):
            raise Unreadable("The document is damaged: it is no message of Outlook.")
        parts, headers = _read(file, [], 0)
    yield parts.written(headers)
    yield from parts.missing()


def _read(file: Any, storage: list[str], depth: int) -> tuple[Parts, list[tuple[str, str]]]:
    """Return what a storage holds that is a message."""
    sender = _text(file, storage, _SENDER)
    address = _text(file, storage, _SENDER_ADDRESS)
    headers = [
        ("Subject", _text(file, storage, _SUBJECT)),
        ("From", f"{sender} <{address}>" if address and address != sender else sender),
        ("To", _text(file, storage, _TO)),
        ("Cc", _text(file, storage, _CC)),
        ("Date", _sent(file, storage)),
    ]
    parts = Parts([_body(file, storage)])
    for attachment in _storages(file, storage, "__attach_version1.0_#"):
        within = [*attachment, _MESSAGE_WITHIN]
        if file.exists(within) and depth < DEPTH_MAX:
            inner, inner_headers = _read(file, within, depth + 1)
            parts.texts.append(inner.written(inner_headers))
            parts.attached += inner.attached
            continue
        names = (_text(file, attachment, one) for one in (_LONG_NAME, _NAME, _SHORT_NAME))
        parts.attached.append(next(filter(None, names), "one without a name"))
    return parts, headers


def _body(file: Any, storage: list[str]) -> str:
    """Return the text of a message, from whichever of its forms there is."""
    if text := _text(file, storage, _BODY):
        return text
    if page := _stream(file, storage, f"{_HTML}0102"):
        return html.without_markup(decoded(page))[0]
    if page_text := _text(file, storage, _HTML):
        return html.without_markup(page_text)[0]
    if compressed := _stream(file, storage, f"{_RTF}0102"):
        with suppress(Unreadable, IndexError, struct.error):
            return str(next(rtf.text(decompressed(compressed)))).strip()
    return ""


def decompressed(content: bytes) -> bytes:
    """Return the RTF that was compressed as [MS-OXRTFCP] says.

    Raises:
        Unreadable: it would grow beyond all bounds.
    """
    _, size, kind = struct.unpack_from("<III", content)
    if kind == 0x414C454D:  # "MELA": not compressed
        return content[16 : 16 + size]
    if size > _RTF_BYTES_MAX:
        raise Unreadable("The message is too large once it is unpacked.")
    ring = bytearray(_DICTIONARY.ljust(_RING, b"\0"))
    write, place, found = len(_DICTIONARY), 16, bytearray()

    def put(byte: int) -> None:
        nonlocal write
        found.append(byte)
        ring[write] = byte
        write = (write + 1) % _RING

    while place < len(content) and len(found) < size:
        control, place = content[place], place + 1
        for bit in range(8):
            if place >= len(content):
                break
            if not control >> bit & 1:
                put(content[place])
                place += 1
                continue
            (token,) = struct.unpack_from(">H", content, place)
            place += 2
            offset, length = token >> 4, (token & 0xF) + 2
            if offset == write:
                return bytes(found)
            for step in range(length):
                put(ring[(offset + step) % _RING])
    return bytes(found)


def _text(file: Any, storage: list[str], number: str) -> str:
    """Return a property that is text, in Unicode or in the encoding of its time."""
    if wide := _stream(file, storage, f"{number}001F"):
        return _lines(wide.decode("utf-16-le", "replace"))
    narrow = _stream(file, storage, f"{number}001E")
    return _lines(decode_text(narrow)) if narrow else ""


def _lines(text: str) -> str:
    return text.replace("\r\n", "\n").strip("\0 \n\r\t")


def _stream(file: Any, storage: list[str], number: str) -> bytes:
    path = [*storage, f"__substg1.0_{number}"]
    if not file.exists(path):
        return b""
    with file.openstream(path) as stream:
        return bytes(stream.read())


def _sent(file: Any, storage: list[str]) -> str:
    """Return when a message was sent or, failing that, delivered."""
    path = [*storage, "__properties_version1.0"]
    if not file.exists(path):
        return ""
    with file.openstream(path) as stream:
        content = stream.read()
    times: dict[int, int] = {}
    begin = 32 if not storage else 24
    for place in range(begin, len(content) - 15, 16):
        kind, number, _, value = struct.unpack_from("<HHIQ", content, place)
        if kind == 0x40:  # PtypTime: tenths of microseconds
            times[number] = value
    for number in (_SENT, _DELIVERED):
        with suppress(KeyError, OverflowError):
            return f"{_EPOCH + timedelta(microseconds=times[number] // 10):%Y-%m-%d %H:%M} UTC"
    return ""


def _storages(file: Any, storage: list[str], prefix: str) -> list[list[str]]:
    depth = len(storage)
    found = {
        tuple(path[: depth + 1])
        for path in file.listdir(streams=True, storages=True)
        if path[:depth] == storage and len(path) > depth and path[depth].startswith(prefix)
    }
    return [list(path) for path in sorted(found)]
