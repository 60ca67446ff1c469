"""Mail: single messages, mailboxes, and web pages saved as one file (MHTML).

Sources: RFC 5322 (messages), RFC 2045 to 2049 (MIME), RFC 4155 (mailboxes), RFC 2557 (MHTML).
"""

from __future__ import annotations

import email
import email.policy
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.message import Message
from typing import Any

from objlib.formats import html
from objlib.formats.declared import decoded
from objlib.formats.decoding import decode_text
from objlib.formats.reading import Missing, Unreadable, counted

HEADERS = ("Subject", "From", "To", "Cc", "Date")
#: Messages within messages are read so deep.
DEPTH_MAX = 20
_BEGIN_OF_MESSAGE = re.compile(rb"^From [^\r\n]*\r?\n", re.MULTILINE)
_QUOTED_FROM = re.compile(rb"^>(>*From )", re.MULTILINE)
_HEADER = re.compile(rb"[!-9;-~]+[ \t]*:")
#: Apple Mail writes the number of bytes of the message before it.
_SIZE_LINE = re.compile(rb"\A\s*\d+\s*\n")


@dataclass(slots=True)
class Parts:
    """The content of a message."""

    texts: list[str] = field(default_factory=list)
    #: Names of what is attached.
    attached: list[str] = field(default_factory=list)

    def written(self, headers: list[tuple[str, str]]) -> str:
        """Return the message as people see it: headers, text, names of attachments."""
        lines = [f"{name}: {value}" for name, value in headers if value]
        if self.attached:
            lines.append(f"Attachments: {', '.join(self.attached)}")
        return "\n\n".join(filter(None, ("\n".join(lines), *self.texts)))

    def missing(self) -> Iterator[Missing]:
        """Yield what of the message was not read."""
        if self.attached:
            names = ", ".join(self.attached[:5]) + (", …" if len(self.attached) > 5 else "")
            yield Missing(f"the text in {counted(len(self.attached), 'attachment')}: {names}")


def message(content: bytes) -> Iterator[str | Missing]:
    """Yield a message: its headers, its text, the names of what is attached."""
    content = _SIZE_LINE.sub(b"", content, count=1).lstrip(b"\r\n")
    if content.startswith(b"From "):
        content = content.partition(b"\n")[2]
    if not _HEADER.match(content):
        raise Unreadable("The document is damaged: it does not begin as a message does.")
    parsed = email.message_from_bytes(content, policy=email.policy.default)
    parts = Parts()
    _gather(parsed, parts, 0)
    yield parts.written(_headers(parsed))
    yield from parts.missing()


def mailbox(content: bytes) -> Iterator[str | Missing]:
    """Yield each message of a mailbox."""
    begins = [
        found
        for found in _BEGIN_OF_MESSAGE.finditer(content)
        if found.start() == 0 or content[: found.start()].endswith((b"\n\n", b"\n\r\n"))
    ]
    if not begins:
        raise Unreadable("The document is damaged: it does not begin as a mailbox does.")
    ends = [found.start() for found in begins[1:]] + [len(content)]
    for number, (found, end) in enumerate(zip(begins, ends, strict=True), start=1):
        try:
            yield from message(_QUOTED_FROM.sub(rb"\1", content[found.end() : end]))
        except Unreadable:
            yield Missing(f"message {number} is damaged")


def page(content: bytes) -> Iterator[str | Missing]:
    """Yield a web page that was saved with all that belongs to it."""
    parsed = email.message_from_bytes(content.lstrip(), policy=email.policy.default)
    texts = [
        said
        for part in parsed.walk()
        if part.get_content_type() in ("text/html", "text/plain", "application/xhtml+xml")
        and (said := _text(part))
    ]
    if not texts:
        raise Unreadable("The document is damaged: there is no page in it.")
    yield "\n\n".join(texts)


def _gather(part: Message[Any, Any], parts: Parts, depth: int) -> None:
    """Take down the text of a message and of messages within it, and the names of all else."""
    kind = part.get_content_type()
    name = _name(part)
    if depth > DEPTH_MAX:
        parts.attached.append(name or "a message within too many others")
    elif kind == "message/rfc822" or kind == "message/global":
        for inner in _within(part):
            within = Parts()
            _gather(inner, within, depth + 1)
            parts.texts.append(within.written(_headers(inner)))
            parts.attached += within.attached
    elif part.is_multipart():
        inner_parts = _within(part)
        if kind == "multipart/alternative":
            inner_parts = _best(inner_parts)
        for inner in inner_parts:
            _gather(inner, parts, depth + 1)
    elif kind.startswith(("text/", "multipart/")) or (
        kind == "application/octet-stream" and _is_text_name(name)
    ):
        if said := _text(part):
            parts.texts.append(f"{name}:\n{said}" if name else said)
    elif name or part.get_content_disposition() == "attachment":
        parts.attached.append(name or kind)


def _within(part: Message[Any, Any]) -> list[Message[Any, Any]]:
    payload = part.get_payload()
    return [one for one in payload if isinstance(one, Message)] if isinstance(payload, list) else []


def _best(alternatives: list[Message[Any, Any]]) -> list[Message[Any, Any]]:
    """Return the plain text of a message that is there in several forms; else the richest form.

    A plain text that has nothing in it is what some programs send beside HTML.
    """
    for one in alternatives:
        if one.get_content_type() == "text/plain" and len(_text(one).split()) > 1:
            others = [o for o in alternatives if not o.get_content_type().startswith("text/")]
            return [one, *(o for o in others if o.get_content_type() == "text/calendar")]
    return alternatives[-1:]


def _text(part: Message[Any, Any]) -> str:
    """Return the text of a part; whatever its encoding is called."""
    content = part.get_payload(decode=True)
    if not isinstance(content, bytes):
        return ""
    is_page = part.get_content_type() in html.TYPES
    charset = part.get_content_charset()
    try:
        text = content.decode(charset or "utf-8")
    except (LookupError, UnicodeDecodeError):
        text = decoded(content) if is_page else decode_text(content)
    if is_page:
        text = html.without_markup(text)[0]
    return text.replace("\r\n", "\n").strip()


def _name(part: Message[Any, Any]) -> str:
    """The file name of a part, if it has one."""
    try:
        return " ".join((part.get_filename() or "").split())
    except (LookupError, ValueError, TypeError, AttributeError):
        return ""


def _is_text_name(name: str) -> bool:
    return name.lower().endswith((".txt", ".md", ".csv", ".log"))


def _headers(message: Message[Any, Any]) -> list[tuple[str, str]]:
    return [(name, _header(message, name)) for name in HEADERS]


def _header(message: Message[Any, Any], name: str) -> str:
    """A header, decoded; as it stands where a program wrote it wrongly."""
    try:
        said = str(message.get(name, "") or "")
    except (ValueError, TypeError, LookupError, IndexError, AttributeError):
        raw = [value for key, value in message.raw_items() if key.lower() == name.lower()]
        said = str(raw[0]) if raw else ""
    # Bytes beyond ASCII that a header must not have come as surrogates.
    content = said.encode("utf-8", "surrogateescape")
    return " ".join(decode_text(content).split())
