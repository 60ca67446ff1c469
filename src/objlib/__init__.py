"""objlib: a folder of texts kept in step with a Gemini File Search store, exactly once.

Everything that a program needs has its home here. Names are loaded when they are first asked for,
so `import objlib` costs nothing; `objlib.errors` and `objlib.events` are the two modules.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from objlib import errors
    from objlib.catalog.binding import BoundLibrary
    from objlib.catalog.records import FileRecord
    from objlib.catalog.tallies import Work
    from objlib.config import Settings
    from objlib.errors import ObjlibError
    from objlib.gemini.resources import AnswerOutcome
    from objlib.library.narrowing import Narrowing
    from objlib.library.scan_report import ScanReport
    from objlib.search.citing import RestsOn
    from objlib.search.proof import Proof, ProofReport, Subset, Verdict
    from objlib.search.query import Citation, SearchResult
    from objlib.search.reasons import Why
    from objlib.service.failures import FailureGroup, Failures, Remedy
    from objlib.service.files import FilePage
    from objlib.service.history import History, Trail
    from objlib.service.keys import MetadataKey
    from objlib.service.library import Library
    from objlib.service.metadata import FileMetadata, MetadataEntry
    from objlib.service.repairs import Synced
    from objlib.service.rounds import SyncOutcome, SyncPhase, SyncPlan
    from objlib.service.runs import Run
    from objlib.service.status import Status
    from objlib.service.steps import NextStep
    from objlib.service.uploads import Uploaded
    from objlib.service.view import CatalogView, open_view
    from objlib.service.wishes import QuestionWishes, SettingsWishes, UploadWishes
    from objlib.sync.apply import RepairReport
    from objlib.sync.classify import DocumentClass
    from objlib.sync.listing import SyncReport
    from objlib.sync.plan import MaxDelete
    from objlib.sync.rebuild import RebuildReport
    from objlib.upload import events
    from objlib.upload.estimate import Estimate, estimate
    from objlib.upload.events import Event
    from objlib.upload.orchestrator import Options
    from objlib.upload.reports import LastRun, Progress, RecoveryReport

__version__ = "0.1.0"

#: Public name -> the module that it lives in.
_HOMES = {
    "AnswerOutcome": "gemini.resources",
    "BoundLibrary": "catalog.binding",
    "CatalogView": "service.view",
    "Citation": "search.query",
    "DocumentClass": "sync.classify",
    "Estimate": "upload.estimate",
    "Event": "upload.events",
    "FailureGroup": "service.failures",
    "Failures": "service.failures",
    "FileMetadata": "service.metadata",
    "FilePage": "service.files",
    "FileRecord": "catalog.records",
    "History": "service.history",
    "LastRun": "upload.reports",
    "Library": "service.library",
    "MaxDelete": "sync.plan",
    "MetadataEntry": "service.metadata",
    "MetadataKey": "service.keys",
    "Narrowing": "library.narrowing",
    "NextStep": "service.steps",
    "ObjlibError": "errors",
    "Options": "upload.orchestrator",
    "Progress": "upload.reports",
    "Proof": "search.proof",
    "ProofReport": "search.proof",
    "QuestionWishes": "service.wishes",
    "RebuildReport": "sync.rebuild",
    "RecoveryReport": "upload.reports",
    "Remedy": "service.failures",
    "RepairReport": "sync.apply",
    "RestsOn": "search.citing",
    "Run": "service.runs",
    "ScanReport": "library.scan_report",
    "SearchResult": "search.query",
    "Settings": "config",
    "SettingsWishes": "service.wishes",
    "Status": "service.status",
    "Subset": "search.proof",
    "SyncOutcome": "service.rounds",
    "SyncPhase": "service.rounds",
    "SyncPlan": "service.rounds",
    "SyncReport": "sync.listing",
    "Synced": "service.repairs",
    "Trail": "service.history",
    "UploadWishes": "service.wishes",
    "Uploaded": "service.uploads",
    "Verdict": "search.proof",
    "Why": "search.reasons",
    "Work": "catalog.tallies",
    "estimate": "upload.estimate",
    "open_view": "service.view",
}
#: Public name of a module -> where it lies.
_MODULES = {"errors": "errors", "events": "upload.events"}

__all__ = [
    "AnswerOutcome",
    "BoundLibrary",
    "CatalogView",
    "Citation",
    "DocumentClass",
    "Estimate",
    "Event",
    "FailureGroup",
    "Failures",
    "FileMetadata",
    "FilePage",
    "FileRecord",
    "History",
    "LastRun",
    "Library",
    "MaxDelete",
    "MetadataEntry",
    "MetadataKey",
    "Narrowing",
    "NextStep",
    "ObjlibError",
    "Options",
    "Progress",
    "Proof",
    "ProofReport",
    "QuestionWishes",
    "RebuildReport",
    "RecoveryReport",
    "Remedy",
    "RepairReport",
    "RestsOn",
    "Run",
    "ScanReport",
    "SearchResult",
    "Settings",
    "SettingsWishes",
    "Status",
    "Subset",
    "SyncOutcome",
    "SyncPhase",
    "SyncPlan",
    "SyncReport",
    "Synced",
    "Trail",
    "UploadWishes",
    "Uploaded",
    "Verdict",
    "Why",
    "Work",
    "__version__",
    "errors",
    "estimate",
    "events",
    "open_view",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"objlib.{_MODULES[name]}")
    if name in _HOMES:
        return getattr(importlib.import_module(f"objlib.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'objlib' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
