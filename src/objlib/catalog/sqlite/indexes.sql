-- What the queries walk along. Partial where the rows in question are few.
CREATE INDEX IF NOT EXISTS files_by_state ON files (gemini_state, file_path);
CREATE INDEX IF NOT EXISTS files_by_document ON files (gemini_store_doc_id) WHERE gemini_store_doc_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS files_superseding ON files (superseded_doc_id) WHERE superseded_doc_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS files_by_raw_file ON files (gemini_file_id) WHERE gemini_file_id IS NOT NULL AND upload_key IS NULL;
CREATE INDEX IF NOT EXISTS files_by_key ON files (upload_key) WHERE upload_key IS NOT NULL;
CREATE INDEX IF NOT EXISTS files_by_run ON files (run_id, file_path) WHERE run_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS files_by_content ON files (content_hash) WHERE content_hash IS NOT NULL;
CREATE INDEX IF NOT EXISTS transitions_by_file ON transitions (file_path, id);
CREATE INDEX IF NOT EXISTS files_with_leftovers ON files (file_path)
    WHERE gemini_state = 'indexed' AND upload_key IS NOT NULL
    AND (superseded_doc_id IS NOT NULL OR gemini_file_id IS NOT NULL);
CREATE INDEX IF NOT EXISTS files_reserved ON files (reserved_by) WHERE reserved_by IS NOT NULL;
CREATE INDEX IF NOT EXISTS transitions_by_key ON transitions (upload_key) WHERE upload_key IS NOT NULL;
CREATE INDEX IF NOT EXISTS files_by_reader ON files (mime_type, reader) WHERE reader IS NOT NULL;
CREATE INDEX IF NOT EXISTS files_partly_read ON files (file_path) WHERE not_read IS NOT NULL;
