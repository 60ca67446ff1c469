"""Reading ahead: in order, bounded, and no more than is asked for."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from objlib.library.ahead import LOOKAHEAD_PER_WORKER, map_ahead


@settings(max_examples=50)
@given(st.lists(st.booleans(), max_size=60), st.integers(1, 5))
def test_results_come_in_the_order_of_the_items(light: list[bool], workers: int) -> None:
    """For all mixtures of light and heavy items, the nth result is that of the nth item."""
    items = list(enumerate(light))

    results = map_ahead(lambda item: item[0], items, workers, is_light=lambda item: item[1])

    assert list(results) == [number for number, _ in items]


def test_items_are_pulled_only_as_far_as_the_lookahead() -> None:
    """However many items there are, at most four per worker are ahead of the consumer."""
    pulled: list[int] = []

    def pulling() -> Iterator[int]:
        for number in range(50):
            pulled.append(number)
            yield number

    results = map_ahead(
        lambda number: number, pulling(), 2, is_light=lambda number: number % 3 == 1
    )
    assert pulled == []
    for taken in range(1, 11):
        next(results)
        assert len(pulled) <= taken + 2 * LOOKAHEAD_PER_WORKER
    results.close()
    assert len(pulled) <= 10 + 2 * LOOKAHEAD_PER_WORKER


def test_heavy_items_are_worked_on_at_the_same_time() -> None:
    """Two heavy items that wait for each other both come to an end, with a light one between."""
    meeting = threading.Barrier(2)

    def work(item: str) -> str:
        if item != "light":
            meeting.wait(timeout=60)
        return threading.current_thread().name

    names = list(map_ahead(work, ["heavy", "light", "heavy"], 2, is_light=lambda i: i == "light"))

    assert names[1] == threading.current_thread().name
    assert len(set(names)) == 3


@pytest.mark.parametrize("is_light", [True, False])
def test_an_error_of_the_function_comes_out_where_its_item_was(is_light: bool) -> None:
    """What went well before it arrives; then the error."""
    results = map_ahead(lambda n: 6 // n, [3, 2, 0, 1], 2, is_light=lambda _n: is_light)

    assert [next(results), next(results)] == [2, 3]
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_no_workers_is_a_mistake() -> None:
    """A pool of nobody would wait for ever, so it is refused."""
    with pytest.raises(ValueError, match="at least 1"):
        next(map_ahead(str, [], workers=0))
