-- The catalog: one row per file, the audit trail of its moves, and a few facts about the whole.
-- The guard and audit triggers are generated from the transition table (catalog/guards.py).

CREATE TABLE files (
    file_path               TEXT PRIMARY KEY,          -- relative to the library root, POSIX separators
    filename                TEXT NOT NULL,
    content_hash            TEXT,                      -- SHA-256 of the file on disk, hex; NULL if never read
    file_size               INTEGER,
    mtime                   REAL,                      -- st_mtime, seconds
    inode                   INTEGER,
    ctime                   INTEGER,                   -- st_ctime_ns; NULL: not recorded yet, -1: too fresh to go by
    device                  INTEGER,
    mime_type               TEXT,
    metadata_json           TEXT NOT NULL DEFAULT '{}',
    sidecar_mtime           REAL,                      -- of the file that describes this one; NULL: none
    skip_reason             TEXT,                      -- why this file cannot be uploaded, for people
    read_problem            TEXT,                      -- why the last scan could not read a file that it knows, for people
    is_deleted              INTEGER NOT NULL DEFAULT 0,

    gemini_state            TEXT NOT NULL DEFAULT 'untracked'
        CHECK (gemini_state IN ('untracked', 'uploading', 'processing', 'indexed', 'failed')),
    gemini_state_updated_at TEXT,
    version                 INTEGER NOT NULL DEFAULT 0,
    transition_reason       TEXT,
    error_message           TEXT,
    failure_kind            TEXT,                      -- transient | permanent

    upload_key              TEXT,                      -- identity of this version of this file
    attempt_count           INTEGER NOT NULL DEFAULT 0,
    import_intent_at        TEXT,                      -- set before importFile is sent, cleared when refused
    run_id                  TEXT,                      -- the run that claimed the row last
    lease_owner             TEXT,
    lease_expires_at        REAL,                      -- seconds since the epoch
    reserved_by             TEXT,                      -- the worker that will look at the row next
    reserved_until          REAL,                      -- seconds since the epoch

    gemini_file_id          TEXT,                      -- files/… (lives 48 h)
    gemini_file_uri         TEXT,                      -- only the earlier generation wrote it
    remote_expiration_ts    TEXT,                      -- only the earlier generation wrote it
    operation_name          TEXT,
    gemini_store_doc_id     TEXT,                      -- fileSearchStores/…/documents/…
    superseded_doc_id       TEXT,                      -- older version, deleted once the new one is indexed
    reader                  TEXT,                      -- what the document was read with on the way up; NULL: nothing, or not known
    not_read                TEXT,                      -- parts of the file that are not in the document: a JSON array, for people
    text_bytes              INTEGER,                   -- of the text that was read
    upload_timestamp        TEXT,                      -- when importFile was accepted
    proven_at               TEXT,                      -- when the store was asked last and cited this file

    created_at              TEXT NOT NULL,
    updated_at              TEXT NOT NULL
);

CREATE TABLE transitions (
    id         INTEGER PRIMARY KEY,
    file_path  TEXT NOT NULL,
    from_state TEXT NOT NULL,
    to_state   TEXT NOT NULL,
    version    INTEGER NOT NULL,
    reason     TEXT,
    attempt    INTEGER NOT NULL,
    at         TEXT NOT NULL,
    upload_key TEXT                       -- of the attempt that begins with this move
);

-- Documents that no row names any more and that still have to be deleted; filled by a trigger.
CREATE TABLE leftovers (
    document_name TEXT PRIMARY KEY,
    file_path     TEXT NOT NULL,
    at            TEXT NOT NULL
);

CREATE TABLE catalog_info (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
);
