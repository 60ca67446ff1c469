"""A hot stream whose subscribers cannot harm it, nor one another."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, TypeVar

from reactivex import Observable, abc
from reactivex.disposable import Disposable, SingleAssignmentDisposable

from objlib.reactive.bridge import on_trampoline

_log = logging.getLogger(__name__)

T = TypeVar("T")


def guarded(source: Observable[T]) -> Observable[T]:
    """A hot stream whose observers cannot harm it: one that raises is cut off and reported."""

    def subscribe(
        observer: abc.ObserverBase[T], scheduler: abc.SchedulerBase | None = None
    ) -> abc.DisposableBase:
        subscription = SingleAssignmentDisposable()

        def surviving(tell: Callable[..., None]) -> Callable[..., None]:
            def on_signal(*signal: Any) -> None:
                try:
                    tell(*signal)
                except Exception:
                    subscription.dispose()
                    _log.exception("a subscriber of the event stream failed and was cut off")

            return on_signal

        subscription.disposable = source.subscribe(
            surviving(observer.on_next),
            surviving(observer.on_error),
            surviving(observer.on_completed),
            scheduler=scheduler,
        )
        return Disposable(subscription.dispose)

    return _Anywhere(subscribe)


class _Anywhere(Observable[T]):
    """An observable that is subscribed to from outside Rx."""

    def subscribe(self, *arguments: Any, **named: Any) -> abc.DisposableBase:
        """Subscribe as usual, on the trampoline."""
        return on_trampoline(lambda: super(_Anywhere, self).subscribe(*arguments, **named))
