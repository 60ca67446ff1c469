"""An embedded File Search server: the Gemini wire protocol over SQLite, for work without a key.

Written from the protocol and independent of everything else in objlib: mount `create_app(store)` on
an ASGI transport, or run it on a port with `objlib serve`.
"""

from objlib.filestore.app import create_app
from objlib.filestore.faults import ConnectionDropped, FaultPlan
from objlib.filestore.kinds import Fault, Kind
from objlib.filestore.semantic import Embedder, EmbedderMissing, MultilingualE5
from objlib.filestore.storage import FileStore

__all__ = [
    "ConnectionDropped",
    "Embedder",
    "EmbedderMissing",
    "Fault",
    "FaultPlan",
    "FileStore",
    "Kind",
    "MultilingualE5",
    "create_app",
]
