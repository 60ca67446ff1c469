-- Change times, and files that cannot be read any more.
ALTER TABLE files ADD COLUMN ctime INTEGER;
ALTER TABLE files ADD COLUMN read_problem TEXT;
