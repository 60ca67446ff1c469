"""The wait that an answer asks for, in both forms of `Retry-After`."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from objlib.gemini.wire_errors import requested_wait_s

MONTH_S = 30 * 86_400.0
NOW = "Sun, 06 Nov 1994 08:49:37 GMT"


@pytest.mark.parametrize(
    ("date", "retry_after", "wait_s"),
    [
        (NOW, "90", 90.0),
        (NOW, "Sun, 06 Nov 1994 08:51:07 GMT", 90.0),
        (NOW, "Sunday, 06-Nov-94 08:51:07 GMT", 90.0),
        (NOW, "Sun Nov  6 08:51:07 1994", 90.0),
        (NOW, NOW, 0.0),
        (NOW, "Sun, 06 Nov 1994 08:00:00 GMT", 0.0),
        (NOW, "Sun, 06 Nov 2094 08:00:00 GMT", MONTH_S),
        (NOW, "Sun, 99 Nov 1994 08:51:07 GMT", None),
        (NOW, "tomorrow", None),
        (NOW, "", None),
        ("", "Sun, 06 Nov 1994 08:51:07 GMT", None),
        ("today", "Sun, 06 Nov 1994 08:51:07 GMT", None),
    ],
)
def test_retry_after_is_read_as_seconds_and_as_a_date(
    date: str, retry_after: str, wait_s: float | None
) -> None:
    """A date counts from the answer's own `Date`; one that has passed asks for no wait."""
    headers = {"date": date, "retry-after": retry_after}
    assert requested_wait_s(headers, b"") == wait_s


def test_the_longer_of_a_date_and_of_retry_info_holds() -> None:
    """Whoever asks for more is heeded."""
    body = b'{"error": {"details": [{"retryDelay": "28s"}]}}'
    headers = {"date": NOW, "retry-after": "Sun, 06 Nov 1994 08:51:07 GMT"}
    assert requested_wait_s(headers, body) == 90.0
    headers["retry-after"] = "Sun, 06 Nov 1994 08:49:40 GMT"
    assert requested_wait_s(headers, body) == 28.0


@given(st.text(), st.text())
def test_no_header_is_an_error(date: str, retry_after: str) -> None:
    """For all headers there is a wait within bounds, or none."""
    wait_s = requested_wait_s({"date": date, "retry-after": retry_after}, b"")
    assert wait_s is None or 0.0 <= wait_s <= MONTH_S
