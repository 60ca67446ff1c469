"""Triggers that make the database itself refuse illegal moves and write the audit trail.

Generated from the transition table, so neither a bug here nor a stray `sqlite3` session can bring
a row into a state the table does not know. They are compared with the stored ones at every open.
"""

from __future__ import annotations

from objlib.upload.fsm import legal_moves


def triggers() -> dict[str, str]:
    """Trigger name -> `CREATE TRIGGER` statement."""
    legal = " OR ".join(
        f"(OLD.gemini_state = '{before}' AND NEW.gemini_state = '{after}')"
        for before, after in legal_moves()
    )
    bodies = {
        "files_start_untracked": """
            BEFORE INSERT ON files WHEN NEW.gemini_state IS NOT 'untracked' OR NEW.version IS NOT 0
            BEGIN SELECT RAISE(ABORT, 'a new row starts untracked at version 0'); END""",
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
                    (file_path, from_state, to_state, version, reason, attempt, at)
                  VALUES (NEW.file_path, OLD.gemini_state, NEW.gemini_state, NEW.version,
                          NEW.transition_reason, NEW.attempt_count,
                          COALESCE(NEW.gemini_state_updated_at, datetime('now'))); END""",
        "files_audit_rename": """
            AFTER UPDATE ON files WHEN NEW.file_path IS NOT OLD.file_path
            BEGIN INSERT INTO transitions
                    (file_path, from_state, to_state, version, reason, attempt, at)
                  VALUES (NEW.file_path, NEW.gemini_state, NEW.gemini_state, NEW.version,
                          'moved from ' || OLD.file_path, NEW.attempt_count,
                          NEW.updated_at); END""",
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
