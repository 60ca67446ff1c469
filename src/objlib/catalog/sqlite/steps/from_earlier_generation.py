"""The part of the step to version 20 that SQL has no statement for; `v20.sql` is the other one."""

from __future__ import annotations

import re
import sqlite3

#: `user_version` of its catalogs.
EARLIER_GENERATION = range(9, 13)

#: Columns that version 20 lets be NULL: of a file that cannot be read, size and hash are unknown.
_MAY_BE_UNKNOWN = frozenset(
    "content_hash file_size mtime inode device mime_type skip_reason gemini_state_updated_at"
    " transition_reason error_message failure_kind upload_key import_intent_at run_id lease_owner"
    " lease_expires_at gemini_file_id gemini_file_uri remote_expiration_ts operation_name"
    " gemini_store_doc_id superseded_doc_id upload_timestamp".split()
)


def allow_unknown_facts(connection: sqlite3.Connection) -> None:
    """Drop NOT NULL from columns of the table of files that may be unknown.

    That changes no row, so it is done in the stored schema, as section 7 of
    https://www.sqlite.org/lang_altertable.html has it.
    """
    strict = {row[1] for row in connection.execute("PRAGMA table_info(files)") if row[3]}
    if not strict & _MAY_BE_UNKNOWN:
        return
    (sql,) = connection.execute("SELECT sql FROM sqlite_master WHERE name = 'files'").fetchone()
    for name in strict & _MAY_BE_UNKNOWN:
        sql = re.sub(rf"(\b{name}\b[^,]*?)\s+NOT\s+NULL", r"\1", sql, count=1, flags=re.IGNORECASE)
    (cookie,) = connection.execute("PRAGMA schema_version").fetchone()
    connection.execute("PRAGMA writable_schema = ON")
    try:
        connection.execute("UPDATE sqlite_master SET sql = ? WHERE name = 'files'", (sql,))
        connection.execute(f"PRAGMA schema_version = {cookie + 1}")
    finally:
        connection.execute("PRAGMA writable_schema = OFF")
