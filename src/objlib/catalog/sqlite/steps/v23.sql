-- Reservations of pages of rows.
ALTER TABLE files ADD COLUMN reserved_by TEXT;
ALTER TABLE files ADD COLUMN reserved_until REAL;
CREATE INDEX IF NOT EXISTS files_reserved ON files (reserved_by) WHERE reserved_by IS NOT NULL;
