-- Documents that no row names any more; indexes for raw files.
CREATE TABLE IF NOT EXISTS leftovers (
    document_name TEXT PRIMARY KEY,
    file_path     TEXT NOT NULL,
    at            TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS files_by_raw_file ON files (gemini_file_id) WHERE gemini_file_id IS NOT NULL AND upload_key IS NULL;
CREATE INDEX IF NOT EXISTS files_with_leftovers ON files (file_path)
    WHERE gemini_state = 'indexed' AND upload_key IS NOT NULL
    AND (superseded_doc_id IS NOT NULL OR gemini_file_id IS NOT NULL);
