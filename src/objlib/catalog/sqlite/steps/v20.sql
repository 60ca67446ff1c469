-- From the earlier generation, 9 to 12: add what its table of files has not, and take nothing away.
-- A column that is added to existing rows may be NOT NULL only if it has a default.
ALTER TABLE files ADD COLUMN content_hash TEXT;
ALTER TABLE files ADD COLUMN filename TEXT;
ALTER TABLE files ADD COLUMN file_size INTEGER;
ALTER TABLE files ADD COLUMN mtime REAL;
ALTER TABLE files ADD COLUMN inode INTEGER;
ALTER TABLE files ADD COLUMN device INTEGER;
ALTER TABLE files ADD COLUMN mime_type TEXT;
ALTER TABLE files ADD COLUMN metadata_json TEXT NOT NULL DEFAULT '{}';
ALTER TABLE files ADD COLUMN skip_reason TEXT;
ALTER TABLE files ADD COLUMN is_deleted INTEGER NOT NULL DEFAULT 0;
ALTER TABLE files ADD COLUMN gemini_state TEXT NOT NULL DEFAULT 'untracked';
ALTER TABLE files ADD COLUMN gemini_state_updated_at TEXT;
ALTER TABLE files ADD COLUMN version INTEGER NOT NULL DEFAULT 0;
ALTER TABLE files ADD COLUMN transition_reason TEXT;
ALTER TABLE files ADD COLUMN error_message TEXT;
ALTER TABLE files ADD COLUMN failure_kind TEXT;
ALTER TABLE files ADD COLUMN upload_key TEXT;
ALTER TABLE files ADD COLUMN attempt_count INTEGER NOT NULL DEFAULT 0;
ALTER TABLE files ADD COLUMN import_intent_at TEXT;
ALTER TABLE files ADD COLUMN run_id TEXT;
ALTER TABLE files ADD COLUMN lease_owner TEXT;
ALTER TABLE files ADD COLUMN lease_expires_at REAL;
ALTER TABLE files ADD COLUMN gemini_file_id TEXT;
ALTER TABLE files ADD COLUMN gemini_file_uri TEXT;
ALTER TABLE files ADD COLUMN remote_expiration_ts TEXT;
ALTER TABLE files ADD COLUMN operation_name TEXT;
ALTER TABLE files ADD COLUMN gemini_store_doc_id TEXT;
ALTER TABLE files ADD COLUMN superseded_doc_id TEXT;
ALTER TABLE files ADD COLUMN upload_timestamp TEXT;
ALTER TABLE files ADD COLUMN created_at TEXT;
ALTER TABLE files ADD COLUMN updated_at TEXT;

UPDATE files
SET filename = COALESCE(filename, file_path), version = COALESCE(version, 0),
    gemini_state = COALESCE(gemini_state, 'untracked'), is_deleted = COALESCE(is_deleted, 0)
WHERE filename IS NULL OR version IS NULL OR gemini_state IS NULL OR is_deleted IS NULL;

CREATE TABLE IF NOT EXISTS transitions (
    id         INTEGER PRIMARY KEY,
    file_path  TEXT NOT NULL,
    from_state TEXT NOT NULL,
    to_state   TEXT NOT NULL,
    version    INTEGER NOT NULL,
    reason     TEXT,
    attempt    INTEGER NOT NULL,
    at         TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS catalog_info (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
);

CREATE INDEX IF NOT EXISTS files_by_state ON files (gemini_state, file_path);
CREATE INDEX IF NOT EXISTS files_by_document ON files (gemini_store_doc_id) WHERE gemini_store_doc_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS files_superseding ON files (superseded_doc_id) WHERE superseded_doc_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS files_by_key ON files (upload_key) WHERE upload_key IS NOT NULL;
CREATE INDEX IF NOT EXISTS files_by_run ON files (run_id, file_path) WHERE run_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS files_by_content ON files (content_hash) WHERE content_hash IS NOT NULL;
CREATE INDEX IF NOT EXISTS transitions_by_file ON transitions (file_path, id);
