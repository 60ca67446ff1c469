"""Numbers as people read them, in every front end."""

from __future__ import annotations

_UNITS = ("B", "KB", "MB", "GB", "TB")


def size(size_bytes: int) -> str:
    """Bytes for people: `4.5 MB`."""
    amount = float(size_bytes)
    for unit in _UNITS[:-1]:
        if amount < 1024:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} {_UNITS[-1]}"


def count(number: int, noun: str) -> str:
    """`1 file`, `1,749 files`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def duration(seconds: float) -> str:
    """`0.8 s`, `42 s`, `3 min 20 s`, `2 h 05 min`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def ago(seconds: float) -> str:
    """`just now`, `12 min ago`, `3 h ago`, `5 days ago`."""
    minutes = int(seconds // 60)
    if minutes < 1:
        return "just now"
    if minutes < 60:
        return f"{minutes} min ago"
    hours = minutes // 60
    return f"{hours} h ago" if hours < 48 else f"{hours // 24} days ago"


def dollars(amount: float) -> str:
    """`under $0.01`, `$0.42`, `$1,749.00`."""
    return f"${amount:,.2f}" if amount >= 0.01 or amount == 0 else "under $0.01"
