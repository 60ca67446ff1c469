-- All that the server knows. What a document's state is follows from its row and the clock.

CREATE TABLE IF NOT EXISTS stores (
    position        INTEGER PRIMARY KEY AUTOINCREMENT, -- order of creation, never used twice
    id              TEXT NOT NULL UNIQUE,
    display_name    TEXT NOT NULL,
    embedding_model TEXT NOT NULL,
    created_at      REAL NOT NULL,
    documents       INTEGER NOT NULL DEFAULT 0,        -- counted by triggers
    size_bytes      INTEGER NOT NULL DEFAULT 0
);

CREATE TABLE IF NOT EXISTS files (
    position     INTEGER PRIMARY KEY AUTOINCREMENT,
    id           TEXT NOT NULL UNIQUE,
    display_name TEXT NOT NULL,
    mime_type    TEXT NOT NULL,
    size_bytes   INTEGER NOT NULL,
    sha256       TEXT NOT NULL,                        -- base64 of the digest
    created_at   REAL NOT NULL,
    expires_at   REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS files_by_expiry ON files (expires_at);

-- Bytes of uploads, raw files and pictures, in blocks, so that no whole file is ever in one value.
CREATE TABLE IF NOT EXISTS pieces (
    owner   TEXT NOT NULL,                             -- upload id, files/{id}, media/{position}
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
    created_at     REAL NOT NULL,                      -- forgotten a day later
    last           TEXT                                -- offset and digest of the finishing request
);
CREATE INDEX IF NOT EXISTS uploads_by_age ON uploads (created_at);

-- Answers that may be asked for again, by themselves or by the next question.
CREATE TABLE IF NOT EXISTS interactions (
    id           TEXT PRIMARY KEY,
    content_json TEXT NOT NULL,
    created_at   REAL NOT NULL                         -- forgotten 55 days later
);

CREATE TABLE IF NOT EXISTS documents (
    position      INTEGER PRIMARY KEY AUTOINCREMENT,
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
    indexing_s    REAL,                                -- how long that takes; NULL: it is stuck
    endurance     REAL,                                -- 0 to 1, what overload it bears; NULL: any
    UNIQUE (store_id, id)
);
CREATE INDEX IF NOT EXISTS documents_in_order ON documents (store_id, position);
CREATE INDEX IF NOT EXISTS documents_by_readiness ON documents (ready_at);
CREATE INDEX IF NOT EXISTS documents_pending ON documents (store_id, ready_at);
CREATE INDEX IF NOT EXISTS documents_failed ON documents (store_id) WHERE is_failed;

CREATE TRIGGER IF NOT EXISTS documents_counted AFTER INSERT ON documents BEGIN
    UPDATE stores SET documents = documents + 1, size_bytes = size_bytes + NEW.size_bytes
    WHERE id = NEW.store_id;
END;
CREATE TRIGGER IF NOT EXISTS documents_discounted AFTER DELETE ON documents BEGIN
    UPDATE stores SET documents = documents - 1, size_bytes = size_bytes - OLD.size_bytes
    WHERE id = OLD.store_id;
END;

-- Pictures stay as long as their documents: media of citations.
CREATE TRIGGER IF NOT EXISTS media_forgotten AFTER DELETE ON documents BEGIN
    DELETE FROM pieces WHERE owner = 'media/' || OLD.position;
END;

CREATE TABLE IF NOT EXISTS operations (
    name        TEXT PRIMARY KEY,
    store_id    TEXT NOT NULL,
    document_id TEXT NOT NULL,
    is_upload   INTEGER NOT NULL,
    done_at     REAL,                                  -- NULL: never
    error_json  TEXT,
    missing_json TEXT                                  -- parts of the document that were not read
);
CREATE INDEX IF NOT EXISTS operations_of_store ON operations (store_id, document_id);

CREATE TABLE IF NOT EXISTS chunks (
    id       INTEGER PRIMARY KEY,
    document INTEGER NOT NULL REFERENCES documents (position),  -- or reserved
    ordinal  INTEGER NOT NULL,
    text     TEXT NOT NULL,
    page     INTEGER                                   -- on which it begins; NULL: no pages
);
CREATE INDEX IF NOT EXISTS chunks_of_document ON chunks (document);

-- What passages mean, for those who gave the server an embedder.
CREATE TABLE IF NOT EXISTS vectors (
    chunk    INTEGER PRIMARY KEY,
    embedder TEXT NOT NULL,
    vector   BLOB NOT NULL                             -- a scale, and a byte a component: semantic.py
);

-- Positions of documents whose chunks are being written and whose row is not there yet.
CREATE TABLE IF NOT EXISTS unfinished (
    position INTEGER PRIMARY KEY,
    since    REAL NOT NULL
);

-- Terms are cut in Python (language/words.py); FTS5 folds diacritics, takes off English endings and ranks.
CREATE VIRTUAL TABLE IF NOT EXISTS chunk_terms USING fts5 (
    terms, tokenize = "porter unicode61 remove_diacritics 2 categories 'L* N* Co Mn Mc'"
);

-- A chunk's id comes again once the last one is gone: what hangs on it goes with it.
CREATE TRIGGER IF NOT EXISTS chunks_removed AFTER DELETE ON chunks BEGIN
    DELETE FROM chunk_terms WHERE rowid = OLD.id;
    DELETE FROM vectors WHERE chunk = OLD.id;
END;
