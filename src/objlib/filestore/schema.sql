-- All that the server knows. What a document's state is follows from its row and the clock.

CREATE TABLE IF NOT EXISTS stores (
    id              TEXT PRIMARY KEY,
    display_name    TEXT NOT NULL,
    embedding_model TEXT NOT NULL,
    created_at      REAL NOT NULL,
    position        INTEGER NOT NULL UNIQUE            -- order of creation, for paging
);

CREATE TABLE IF NOT EXISTS files (
    id           TEXT PRIMARY KEY,
    display_name TEXT NOT NULL,
    mime_type    TEXT NOT NULL,
    size_bytes   INTEGER NOT NULL,
    sha256       TEXT NOT NULL,                        -- base64 of the digest
    created_at   REAL NOT NULL,
    expires_at   REAL NOT NULL,
    position     INTEGER NOT NULL UNIQUE
);
CREATE INDEX IF NOT EXISTS files_by_expiry ON files (expires_at);

-- Bytes of uploads and of raw files, a row a request, so that no whole file is ever in one value.
CREATE TABLE IF NOT EXISTS pieces (
    owner   TEXT NOT NULL,                             -- upload id, or files/{id}
    offset  INTEGER NOT NULL,
    content BLOB NOT NULL,
    PRIMARY KEY (owner, offset)
);

CREATE TABLE IF NOT EXISTS uploads (
    id             TEXT PRIMARY KEY,
    store_id       TEXT,                               -- NULL for the Files API
    start_json     TEXT NOT NULL,                      -- the body of the start request
    mime_type      TEXT NOT NULL,
    declared_bytes INTEGER,
    received_bytes INTEGER NOT NULL DEFAULT 0,
    state          TEXT NOT NULL DEFAULT 'active',     -- active | final | cancelled
    answer_json    TEXT,                               -- of the finalize, for whoever asks again
    created_at     REAL NOT NULL                       -- forgotten a day later
);
CREATE INDEX IF NOT EXISTS uploads_by_age ON uploads (created_at);

CREATE TABLE IF NOT EXISTS documents (
    position      INTEGER PRIMARY KEY AUTOINCREMENT,   -- order of creation, never used twice
    store_id      TEXT NOT NULL REFERENCES stores (id),
    id            TEXT NOT NULL,
    display_name  TEXT NOT NULL,
    mime_type     TEXT NOT NULL,
    size_bytes    INTEGER NOT NULL,
    metadata_json TEXT NOT NULL,
    created_at    REAL NOT NULL,
    ready_at      REAL NOT NULL,                       -- PENDING until then
    is_failed     INTEGER NOT NULL DEFAULT 0,          -- FAILED after that …
    recovers_at   REAL,                                -- … until then, if ever
    visible_at    REAL NOT NULL,                       -- found by search from then on
    UNIQUE (store_id, id)
);
CREATE INDEX IF NOT EXISTS documents_in_order ON documents (store_id, position);
CREATE INDEX IF NOT EXISTS documents_by_readiness ON documents (ready_at);

CREATE TABLE IF NOT EXISTS operations (
    name        TEXT PRIMARY KEY,
    store_id    TEXT NOT NULL,
    document_id TEXT NOT NULL,
    is_upload   INTEGER NOT NULL,
    done_at     REAL,                                  -- NULL: never
    error_json  TEXT
);

CREATE TABLE IF NOT EXISTS chunks (
    id       INTEGER PRIMARY KEY,
    document INTEGER NOT NULL REFERENCES documents (position),
    ordinal  INTEGER NOT NULL,
    text     TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS chunks_of_document ON chunks (document);

-- Terms are cut in Python (words.py); FTS5 folds diacritics, takes off English endings and ranks.
CREATE VIRTUAL TABLE IF NOT EXISTS chunk_terms USING fts5 (
    terms, tokenize = "porter unicode61 remove_diacritics 2 categories 'L* N* Co Mn Mc'"
);
