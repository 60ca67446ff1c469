-- Keys in the trail. Older documents may have keys that nobody has recorded, hence the moment.
ALTER TABLE transitions ADD COLUMN upload_key TEXT;
INSERT INTO catalog_info (key, value)
VALUES ('keys_recorded_since', strftime('%Y-%m-%dT%H:%M:%f+00:00', 'now'))
ON CONFLICT (key) DO NOTHING;
CREATE INDEX IF NOT EXISTS transitions_by_key ON transitions (upload_key) WHERE upload_key IS NOT NULL;
