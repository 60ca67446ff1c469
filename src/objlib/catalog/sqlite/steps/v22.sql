-- Sidecars and proofs.
ALTER TABLE files ADD COLUMN sidecar_mtime REAL;
ALTER TABLE files ADD COLUMN proven_at TEXT;
