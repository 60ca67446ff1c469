"""Listeners of a run hear of the gate; the gate hears of documents from the stages alone."""

from __future__ import annotations

from pathlib import Path

from objlib.catalog.protocol import utc_now
from objlib.congestion.outcomes import DocumentActive, DocumentFailed, Outcome
from objlib.filestore import Fault, Kind
from objlib.reactive.bridge import LoopScheduler
from objlib.upload import events as ev
from objlib.upload.feedback import announce_pressure
from tests.congestion.test_gate import new_gate, open_circuit
from tests.upload.test_virtual_runs import play
from tests.upload.virtual_loop import VirtualLoop, run
from tests.upload.world import World


def test_each_change_that_people_want_to_hear_of_is_emitted_once() -> None:
    """The present first, then changes, and nothing after the end."""

    async def story(loop: VirtualLoop, scheduler: LoopScheduler) -> None:
        gate, heard = new_gate(scheduler), list[ev.Event]()
        announcements = announce_pressure(gate, heard.append, utc_now)
        assert heard == [ev.PressureChanged("closed", 0.0, 8, 50, None)]

        for _ in range(3):
            gate.outcomes.tell(DocumentFailed(0.0))
        assert heard[1:] == [ev.PressureChanged("closed", 0.0, 8, 35, None)]
        open_circuit(gate, 20.0)
        last = heard[-1]
        assert isinstance(last, ev.PressureChanged)
        assert (last.circuit, last.pause_s) == ("open", 20.0)
        assert last.sending < 8
        assert len(heard) == len(set(heard))

        announcements.dispose()
        before = len(heard)
        gate.limit_sending(2)
        assert len(heard) == before
        gate.close()

    run(story)


def test_the_stages_tell_the_gate_how_documents_fare(tmp_path: Path) -> None:
    """One that showed as failed strikes; one that became active at the first try is a success."""

    async def story(world: World, _loop: VirtualLoop) -> None:
        told: list[Outcome] = []
        world.gate.outcomes.stream.subscribe(told.append)
        await world.upload()
        indexed = world.events(ev.FileIndexed)
        took_s = [event.took_s for event in indexed if isinstance(event, ev.FileIndexed)]
        fared = [outcome for outcome in told if isinstance(outcome, DocumentActive)]
        assert fared == [DocumentActive(age_s) for age_s in took_s if age_s is not None]
        assert len(fared) == 3
        failures = [outcome for outcome in told if isinstance(outcome, DocumentFailed)]
        [shown] = world.events(ev.DocumentShownFailed)
        assert isinstance(shown, ev.DocumentShownFailed)
        assert failures == [DocumentFailed(shown.took_s)]

    play(tmp_path, story, Fault(Kind.DOCUMENT_FAILED, times=1), files=3)


def test_what_is_said_on_a_runs_stream_steers_nothing(tmp_path: Path) -> None:
    """Events are for people: the gate does not move for them."""

    async def story(world: World, _loop: VirtualLoop) -> None:
        told: list[Outcome] = []
        world.gate.outcomes.stream.subscribe(told.append)
        upload = world.new_run()

        def gossip(event: ev.Event) -> None:
            if isinstance(event, ev.FileStarted):
                upload.stream.emit(ev.DocumentShownFailed("a", 1.0))

        upload.stream.events.subscribe(gossip)
        await upload.until_done()
        assert not any(isinstance(outcome, DocumentFailed) for outcome in told)

    play(tmp_path, story, files=3)
