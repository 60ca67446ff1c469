"""Files in the store that an older reader has read; they stay until somebody asks for a new one."""

from __future__ import annotations

from dataclasses import dataclass

from objlib.catalog import readings
from objlib.catalog.protocol import Catalog
from objlib.catalog.tallies import Work
from objlib.library.conversion import CONVERTERS, READERS
from objlib.upload.estimate import Estimate, estimate


@dataclass(frozen=True, slots=True)
class Outdated:
    """Files whose documents a better reader would make anew, and the price of that."""

    files: int = 0
    size_bytes: int = 0
    #: Of the text that the older reader found.
    text_bytes: int = 0

    @property
    def price(self) -> Estimate:
        """The price of sending them again, at Gemini."""
        return estimate(
            Work(
                {"form": self.files},
                size_bytes=self.size_bytes,
                text_bytes=self.text_bytes,
                replaced=self.files,
            )
        )


async def outdated_files(catalog: Catalog) -> Outdated:
    """Count the files in the store that were not read by the readers of today."""
    older = [
        tally
        for tally in await readings.tally_by_reader(catalog)
        if tally.reader
        and (newest := CONVERTERS.get(tally.mime_type) or READERS.get(tally.mime_type))
        and tally.reader != newest.treatment
    ]
    return Outdated(
        sum(tally.files for tally in older),
        sum(tally.size_bytes for tally in older),
        sum(tally.text_bytes for tally in older),
    )
