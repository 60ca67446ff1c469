"""Every wait of an upload, in one place: settings, and the pure functions that apply them."""

from __future__ import annotations

from dataclasses import dataclass

#: Seconds: as long as any other call may take.
IMPORT_MAX_S = 60.0


@dataclass(frozen=True, slots=True)
class Waits:
    """Durations in seconds. `OBJLIB_<NAME>` overrides each, so that tests can shorten them."""

    #: A document that shows FAILED may come alive within this time of its creation.
    settle_s: float = 180.0
    #: How long a claim on a row lasts without a heartbeat.
    lease_s: float = 60.0
    #: How long an import may take before the row becomes `failed`.
    poll_deadline_s: float = 300.0
    #: The first wait between two looks at a document; later ones grow with its age.
    poll_s: float = 1.0
    #: Cool-down before the retry pass.
    retry_pass_delay_s: float = 30.0
    #: The first back-off after a 429 or a passing failure.
    backoff_base_s: float = 1.0
    backoff_cap_s: float = 60.0
    #: How long nothing is sent after too many refusals, when the backend names no time.
    breaker_cooldown_s: float = 30.0

    @property
    def import_s(self) -> float:
        """Seconds that an import may take: over, or in doubt, long before the lease runs out."""
        return min(IMPORT_MAX_S, self.lease_s / 2)


#: Waits between two looks grow by this share of the age, up to the cap: 1, 1.5, 2.25 … 15 s.
_POLL_GROWTH = 0.5
_POLL_CAP_S = 15.0
#: Once it is known how long documents take, the first look comes a little before that: one that is
#: always too late would never learn that they are faster now. The second follows a tenth of the age
#: later, and the further ones the later the more the document is behind its time. Most documents
#: take one look then; at 0.8 and a quarter nearly every one took two.
_FIRST_LOOK = 0.95
_SECOND_LOOK = 0.1


def poll_wait_s(age_s: float, waits: Waits, usual_s: float | None = None) -> float:
    """Return the seconds until the next look at a document of this age.

    Args:
        usual_s: how long documents have taken lately; None when that is not known yet.
    """
    if usual_s is None:
        return max(waits.poll_s, min(_POLL_CAP_S, age_s * _POLL_GROWTH))
    first_look_s = _FIRST_LOOK * usual_s
    if age_s < first_look_s:
        return max(waits.poll_s, first_look_s - age_s)
    behind = age_s / first_look_s - 1 if first_look_s else 0.0
    return max(waits.poll_s, min(_POLL_CAP_S, age_s * (_SECOND_LOOK + behind)))


def is_worth_a_look(age_s: float, waits: Waits, usual_s: float | None) -> bool:
    """True if a document of this age may be active already, as far as is known."""
    return usual_s is None or age_s + waits.poll_s >= _FIRST_LOOK * usual_s
