-- How the text of a document was made. Rows from before are looked through after the next scan.
ALTER TABLE files ADD COLUMN reader TEXT;
ALTER TABLE files ADD COLUMN not_read TEXT;
ALTER TABLE files ADD COLUMN text_bytes INTEGER;
CREATE INDEX IF NOT EXISTS files_by_reader ON files (mime_type, reader) WHERE reader IS NOT NULL;
CREATE INDEX IF NOT EXISTS files_partly_read ON files (file_path) WHERE not_read IS NOT NULL;
