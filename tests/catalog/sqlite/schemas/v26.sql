CREATE TABLE catalog_info (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
);
CREATE TABLE files (
    file_path               TEXT PRIMARY KEY,
    filename                TEXT NOT NULL,
    content_hash            TEXT,
    file_size               INTEGER,
    mtime                   REAL,
    inode                   INTEGER,
    ctime                   INTEGER,
    device                  INTEGER,
    mime_type               TEXT,
    metadata_json           TEXT NOT NULL DEFAULT '{}',
    sidecar_mtime           REAL,
    skip_reason             TEXT,
    read_problem            TEXT,
    is_deleted              INTEGER NOT NULL DEFAULT 0,

    gemini_state            TEXT NOT NULL DEFAULT 'untracked'
        CHECK (gemini_state IN ('untracked', 'uploading', 'processing', 'indexed', 'failed')),
    gemini_state_updated_at TEXT,
    version                 INTEGER NOT NULL DEFAULT 0,
    transition_reason       TEXT,
    error_message           TEXT,
    failure_kind            TEXT,

    upload_key              TEXT,
    attempt_count           INTEGER NOT NULL DEFAULT 0,
    import_intent_at        TEXT,
    run_id                  TEXT,
    lease_owner             TEXT,
    lease_expires_at        REAL,
    reserved_by             TEXT,
    reserved_until          REAL,

    gemini_file_id          TEXT,
    gemini_file_uri         TEXT,
    remote_expiration_ts    TEXT,
    operation_name          TEXT,
    gemini_store_doc_id     TEXT,
    superseded_doc_id       TEXT,
    reader                  TEXT,
    not_read                TEXT,
    text_bytes              INTEGER,
    upload_timestamp        TEXT,
    proven_at               TEXT,

    created_at              TEXT NOT NULL,
    updated_at              TEXT NOT NULL
);
CREATE TABLE leftovers (
    document_name TEXT PRIMARY KEY,
    file_path     TEXT NOT NULL,
    at            TEXT NOT NULL
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
    upload_key TEXT
);
CREATE INDEX files_by_content ON files (content_hash) WHERE content_hash IS NOT NULL;
CREATE INDEX files_by_document ON files (gemini_store_doc_id) WHERE gemini_store_doc_id IS NOT NULL;
CREATE INDEX files_by_key ON files (upload_key) WHERE upload_key IS NOT NULL;
CREATE INDEX files_by_raw_file ON files (gemini_file_id) WHERE gemini_file_id IS NOT NULL AND upload_key IS NULL;
CREATE INDEX files_by_run ON files (run_id, file_path) WHERE run_id IS NOT NULL;
CREATE INDEX files_by_reader ON files (mime_type, reader) WHERE reader IS NOT NULL;
CREATE INDEX files_partly_read ON files (file_path) WHERE not_read IS NOT NULL;
CREATE INDEX files_by_state ON files (gemini_state, file_path);
CREATE INDEX files_reserved ON files (reserved_by) WHERE reserved_by IS NOT NULL;
CREATE INDEX files_superseding ON files (superseded_doc_id) WHERE superseded_doc_id IS NOT NULL;
CREATE INDEX files_with_leftovers ON files (file_path)
    WHERE gemini_state = 'indexed' AND upload_key IS NOT NULL
    AND (superseded_doc_id IS NOT NULL OR gemini_file_id IS NOT NULL);
CREATE INDEX transitions_by_file ON transitions (file_path, id);
CREATE INDEX transitions_by_key ON transitions (upload_key) WHERE upload_key IS NOT NULL;
CREATE TRIGGER files_are_not_overwritten BEFORE UPDATE ON files WHEN NEW.file_path IS NOT OLD.file_path AND EXISTS (SELECT 1 FROM files WHERE file_path IS NEW.file_path AND (gemini_state IS NOT 'untracked' OR version IS NOT 0 OR gemini_store_doc_id IS NOT NULL OR superseded_doc_id IS NOT NULL)) BEGIN SELECT RAISE(ABORT, 'a file at the new path has a row already, which would be lost'); END;
CREATE TRIGGER files_are_not_replaced BEFORE INSERT ON files WHEN EXISTS (SELECT 1 FROM files WHERE file_path IS NEW.file_path AND (gemini_state IS NOT 'untracked' OR version IS NOT 0 OR gemini_store_doc_id IS NOT NULL OR superseded_doc_id IS NOT NULL)) BEGIN SELECT RAISE(ABORT, 'this file has a row already, and inserting would reset it: use UPDATE'); END;
CREATE TRIGGER files_audit_move AFTER UPDATE ON files WHEN NEW.gemini_state IS NOT OLD.gemini_state BEGIN INSERT INTO transitions (file_path, from_state, to_state, version, reason, attempt, at, upload_key) VALUES (NEW.file_path, OLD.gemini_state, NEW.gemini_state, NEW.version, NEW.transition_reason, NEW.attempt_count, COALESCE(NEW.gemini_state_updated_at, datetime('now')), CASE WHEN NEW.gemini_state = 'uploading' THEN NEW.upload_key END); END;
CREATE TRIGGER files_audit_rename AFTER UPDATE ON files WHEN NEW.file_path IS NOT OLD.file_path BEGIN INSERT INTO transitions (file_path, from_state, to_state, version, reason, attempt, at) VALUES (NEW.file_path, NEW.gemini_state, NEW.gemini_state, NEW.version, 'moved from ' || OLD.file_path, NEW.attempt_count, NEW.updated_at); END;
CREATE TRIGGER files_refuse_illegal_move BEFORE UPDATE ON files WHEN NEW.gemini_state IS NOT OLD.gemini_state AND ((OLD.gemini_state = 'untracked' AND NEW.gemini_state = 'uploading') OR (OLD.gemini_state = 'uploading' AND NEW.gemini_state = 'processing') OR (OLD.gemini_state = 'processing' AND NEW.gemini_state = 'indexed') OR (OLD.gemini_state = 'uploading' AND NEW.gemini_state = 'failed') OR (OLD.gemini_state = 'processing' AND NEW.gemini_state = 'failed') OR (OLD.gemini_state = 'failed' AND NEW.gemini_state = 'untracked') OR (OLD.gemini_state = 'uploading' AND NEW.gemini_state = 'untracked') OR (OLD.gemini_state = 'processing' AND NEW.gemini_state = 'untracked') OR (OLD.gemini_state = 'indexed' AND NEW.gemini_state = 'untracked')) IS NOT TRUE BEGIN SELECT RAISE(ABORT, 'illegal transition: not in the transition table'); END;
CREATE TRIGGER files_remember_leftovers AFTER UPDATE ON files WHEN OLD.superseded_doc_id IS NOT NULL AND NEW.superseded_doc_id IS NOT NULL AND NEW.superseded_doc_id IS NOT OLD.superseded_doc_id BEGIN INSERT INTO leftovers (document_name, file_path, at) VALUES (OLD.superseded_doc_id, NEW.file_path, COALESCE(NEW.updated_at, '')) ON CONFLICT (document_name) DO NOTHING; END;
CREATE TRIGGER files_start_untracked BEFORE INSERT ON files WHEN NEW.gemini_state IS NOT 'untracked' OR NEW.version IS NOT 0 BEGIN SELECT RAISE(ABORT, 'a new row starts untracked at version 0'); END;
CREATE TRIGGER files_stay BEFORE DELETE ON files WHEN OLD.gemini_state IS NOT 'untracked' OR OLD.gemini_store_doc_id IS NOT NULL OR OLD.superseded_doc_id IS NOT NULL BEGIN SELECT RAISE(ABORT, 'a file with a document keeps its row; a repair of the store lets go of it'); END;
CREATE TRIGGER files_version_counts_moves BEFORE UPDATE ON files WHEN NEW.version IS NOT OLD.version + (NEW.gemini_state IS NOT OLD.gemini_state) AND (NEW.gemini_state IS OLD.gemini_state OR ((OLD.gemini_state = 'untracked' AND NEW.gemini_state = 'uploading') OR (OLD.gemini_state = 'uploading' AND NEW.gemini_state = 'processing') OR (OLD.gemini_state = 'processing' AND NEW.gemini_state = 'indexed') OR (OLD.gemini_state = 'uploading' AND NEW.gemini_state = 'failed') OR (OLD.gemini_state = 'processing' AND NEW.gemini_state = 'failed') OR (OLD.gemini_state = 'failed' AND NEW.gemini_state = 'untracked') OR (OLD.gemini_state = 'uploading' AND NEW.gemini_state = 'untracked') OR (OLD.gemini_state = 'processing' AND NEW.gemini_state = 'untracked') OR (OLD.gemini_state = 'indexed' AND NEW.gemini_state = 'untracked')) IS TRUE) BEGIN SELECT RAISE(ABORT, 'version rises by exactly one with each transition'); END;
CREATE TRIGGER transitions_are_not_replaced BEFORE INSERT ON transitions WHEN EXISTS (SELECT 1 FROM transitions WHERE id IS NEW.id) BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END;
CREATE TRIGGER transitions_keep BEFORE UPDATE ON transitions BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END;
CREATE TRIGGER transitions_stay BEFORE DELETE ON transitions BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END;
