"""Triggers that make the database itself refuse illegal moves and write the audit trail.

Generated from the transition table, so neither a bug here nor a stray `sqlite3` session can bring
a row into a state the table does not know, or make it begin anew. They are compared with the stored
ones at every open.

`INSERT OR REPLACE` deletes the row it replaces without a word to DELETE triggers (unless a session
turns `recursive_triggers` on), so what it would replace is looked for before the insert.
"""

from __future__ import annotations

from objlib.states import legal_moves


def triggers() -> dict[str, str]:
    """Trigger name -> `CREATE TRIGGER` statement."""
    legal = " OR ".join(
        f"(OLD.gemini_state = '{before}' AND NEW.gemini_state = '{after}')"
        for before, after in legal_moves()
    )
    has_a_life = (
        "(gemini_state IS NOT 'untracked' OR version IS NOT 0"
        " OR gemini_store_doc_id IS NOT NULL OR superseded_doc_id IS NOT NULL)"
    )
    bodies = {
        "files_start_untracked": """
            BEFORE INSERT ON files WHEN NEW.gemini_state IS NOT 'untracked' OR NEW.version IS NOT 0
            BEGIN SELECT RAISE(ABORT, 'a new row starts untracked at version 0'); END""",
        "files_are_not_replaced": f"""
            BEFORE INSERT ON files WHEN EXISTS
                (SELECT 1 FROM files WHERE file_path IS NEW.file_path AND {has_a_life})
            BEGIN SELECT RAISE(ABORT,
                'this file has a row already, and inserting would reset it: use UPDATE'); END""",
        "files_are_not_overwritten": f"""
            BEFORE UPDATE ON files WHEN NEW.file_path IS NOT OLD.file_path AND EXISTS
                (SELECT 1 FROM files WHERE file_path IS NEW.file_path AND {has_a_life})
            BEGIN SELECT RAISE(ABORT,
                'a file at the new path has a row already, which would be lost'); END""",
        # A row without a document may go: a scan drops the one of a file that turns out as moved.
        "files_stay": """
            BEFORE DELETE ON files WHEN OLD.gemini_state IS NOT 'untracked'
                OR OLD.gemini_store_doc_id IS NOT NULL OR OLD.superseded_doc_id IS NOT NULL
            BEGIN SELECT RAISE(ABORT,
                'a file with a document keeps its row; a repair of the store lets go of it');
            END""",
        "files_remember_leftovers": """
            AFTER UPDATE ON files WHEN OLD.superseded_doc_id IS NOT NULL
                AND NEW.superseded_doc_id IS NOT NULL
                AND NEW.superseded_doc_id IS NOT OLD.superseded_doc_id
            BEGIN INSERT INTO leftovers (document_name, file_path, at)
                  VALUES (OLD.superseded_doc_id, NEW.file_path, COALESCE(NEW.updated_at, ''))
                  ON CONFLICT (document_name) DO NOTHING; END""",
        "files_refuse_illegal_move": f"""
            BEFORE UPDATE ON files
            WHEN NEW.gemini_state IS NOT OLD.gemini_state AND ({legal}) IS NOT TRUE
            BEGIN SELECT RAISE(ABORT, 'illegal transition: not in the transition table'); END""",
        # Silent about moves that are illegal anyway: those have a message of their own.
        "files_version_counts_moves": f"""
            BEFORE UPDATE ON files
            WHEN NEW.version IS NOT
                 OLD.version + (NEW.gemini_state IS NOT OLD.gemini_state)
             AND (NEW.gemini_state IS OLD.gemini_state OR ({legal}) IS TRUE)
            BEGIN SELECT RAISE(ABORT, 'version rises by exactly one with each transition'); END""",
        "files_audit_move": """
            AFTER UPDATE ON files WHEN NEW.gemini_state IS NOT OLD.gemini_state
            BEGIN INSERT INTO transitions
                    (file_path, from_state, to_state, version, reason, attempt, at, upload_key)
                  VALUES (NEW.file_path, OLD.gemini_state, NEW.gemini_state, NEW.version,
                          NEW.transition_reason, NEW.attempt_count,
                          COALESCE(NEW.gemini_state_updated_at, datetime('now')),
                          CASE WHEN NEW.gemini_state = 'uploading' THEN NEW.upload_key END);
            END""",
        "files_audit_rename": """
            AFTER UPDATE ON files WHEN NEW.file_path IS NOT OLD.file_path
            BEGIN INSERT INTO transitions
                    (file_path, from_state, to_state, version, reason, attempt, at)
                  VALUES (NEW.file_path, NEW.gemini_state, NEW.gemini_state, NEW.version,
                          'moved from ' || OLD.file_path, NEW.attempt_count,
                          NEW.updated_at); END""",
        "transitions_are_not_replaced": """
            BEFORE INSERT ON transitions WHEN EXISTS
                (SELECT 1 FROM transitions WHERE id IS NEW.id)
            BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END""",
        "transitions_keep": """
            BEFORE UPDATE ON transitions
            BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END""",
        "transitions_stay": """
            BEFORE DELETE ON transitions
            BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END""",
    }
    return {
        name: f"CREATE TRIGGER {name} {' '.join(body.split())}" for name, body in bodies.items()
    }
