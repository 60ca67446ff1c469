CREATE TABLE files (
    file_path TEXT PRIMARY KEY,
    content_hash TEXT NOT NULL,
    filename TEXT NOT NULL,
    file_size INTEGER NOT NULL,
    metadata_json TEXT,
    ai_metadata_status TEXT DEFAULT 'pending',
    gemini_file_id TEXT,
    gemini_file_uri TEXT,
    upload_timestamp TEXT,
    remote_expiration_ts TEXT,
    error_message TEXT,
    is_deleted INTEGER NOT NULL DEFAULT 0,
    mtime REAL,
    last_upload_hash TEXT,
    intent_type TEXT,
    "odd, (name)" BLOB,
    gemini_store_doc_id TEXT,
    gemini_state TEXT DEFAULT 'untracked'
        CHECK(gemini_state IN ('untracked', 'uploading', 'processing', 'indexed', 'failed')),
    gemini_state_updated_at TEXT,
    version INTEGER DEFAULT 0,
    created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%f', 'now')),
    updated_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%f', 'now'))
);
CREATE TRIGGER update_files_timestamp AFTER UPDATE ON files
WHEN NEW.updated_at = OLD.updated_at
BEGIN UPDATE files SET updated_at = strftime('%Y-%m-%dT%H:%M:%f', 'now')
      WHERE file_path = NEW.file_path; END;
CREATE TABLE sessions (id TEXT PRIMARY KEY, note TEXT);
