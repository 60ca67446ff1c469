"""objlib verify"""

from __future__ import annotations

import asyncio
from dataclasses import asdict

import click

from objlib import Library, Proof, ProofReport, Subset, Verdict
from objlib.cli import terminal
from objlib.cli.manual import TALKS_TO_A_STORE, Manual
from objlib.cli.options import Invocation, common_options
from objlib.errors import ConfigurationError
from objlib.service.files import title
from objlib.service.numbers import count

_MEANING = {
    Verdict.PROVEN: "cited",
    Verdict.OUTRANKED: "in the store, but other files answer better",
    Verdict.NOT_CITED: "not cited, even when asked of this file alone",
    Verdict.OTHER_TEXT: "cited with a text that is not in the file",
    Verdict.CHANGED: "other content on disk than the last scan saw",
    Verdict.UNREADABLE: "cannot be read, so nothing could be asked",
    Verdict.NO_VERDICT: "no verdict: the answer was blocked, cut short or empty; ask again later",
}
_REMEDY = {
    Verdict.NOT_CITED: "objlib store-sync, then objlib fsm-upload",
    Verdict.OTHER_TEXT: "objlib store-sync, then objlib fsm-upload --reset-existing",
    Verdict.CHANGED: "objlib sync --checksum",
    Verdict.UNREADABLE: "make them readable, then objlib verify",
}


@click.command(
    "verify",
    cls=Manual,
    exit_codes={1: "a file is not cited as it should be", **TALKS_TO_A_STORE},
    examples=[
        "objlib verify --limit 50",
        "objlib verify --subset 3/7",
    ],
    see_also=["store-sync", "status"],
)
@click.option("--subset", metavar="N/T", help="Only part N of T of the files, for instance 3/7.")
@click.option(
    "--limit",
    metavar="N",
    type=click.IntRange(1),
    help="Only so many files, those whose proof is oldest first.",
)
@common_options
def command(invocation: Invocation, subset: str | None, limit: int | None) -> int:
    """Ask the store about each indexed file, and check that it cites the file.

    A sentence of the file is looked for in the whole store. The citation must come from the very
    document that the catalog names, and its passage must stand in the file. The date of the last
    proof is kept for each file; `objlib status` shows the oldest.

    Each question is billed like any other. --subset and --limit spread them over days: 3/7 asks
    about every file whose turn is on the third day of seven. -v names the files that passed, too.
    """
    if subset is not None and limit is not None:
        raise ConfigurationError("--subset and --limit exclude each other")
    part = Subset.parse(subset) if subset is not None else None
    with invocation.traced():
        return asyncio.run(_verify(invocation, part, limit))


async def _verify(invocation: Invocation, subset: Subset | None, limit: int | None) -> int:
    settings = invocation.settings()
    invocation.name_the_store(settings)
    kept: list[Proof] = []
    async with Library.open(settings=settings) as library:
        with invocation.notices().status("verifying") as status:
            async with library.verify(subset=subset, limit=limit) as run:
                async for proof in run.events:
                    wanted = invocation.verbosity or invocation.json
                    if wanted or proof.verdict is not Verdict.PROVEN:
                        kept.append(proof)
                    status.update(f"verifying: {count(run.progress.asked, 'file')} so far")
                report = await run.finished()
    _show(invocation, kept, report)
    return 0 if report.is_clean else 1


def _show(invocation: Invocation, proofs: list[Proof], report: ProofReport) -> None:
    if invocation.json:
        terminal.say_json(
            {
                "asked": report.asked,
                "verdicts": {verdict.value: report.count(verdict) for verdict in Verdict},
                "proofs": [asdict(proof) for proof in proofs],
            }
        )
        return
    console = invocation.console()
    for proof in sorted(proofs, key=lambda proof: proof.path):
        line = f"{proof.verdict.value:<15}  {title(proof.path)}"
        style = "red" if proof.is_failure else None
        console.say(line, style=style, whole=True)
    if not report.asked:
        console.say("No file is indexed, so there is nothing to ask about")
        return
    console.say(f"Asked about {count(report.asked, 'file')}")
    for verdict, meaning in _MEANING.items():
        if files := report.count(verdict):
            console.say(f"  {files:>7,}  {meaning}")
    if report.gravest is not None:
        console.say(f"Next: {_REMEDY[report.gravest]}")
