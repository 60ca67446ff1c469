"""A keyring that lives in a file, for tests."""

from __future__ import annotations

import os
from pathlib import Path

from keyring.backend import KeyringBackend
from keyring.errors import KeyringLocked, PasswordSetError


class InFile(KeyringBackend):
    """Holds one password, in the file that `OBJLIB_TEST_KEYRING` names; without it is locked."""

    priority = 0.1

    def get_password(self, service: str, username: str) -> str | None:
        file = os.environ.get("OBJLIB_TEST_KEYRING")
        if file is None:
            raise KeyringLocked("the keyring is locked")
        is_ours = (service, username) == ("objlib", "GEMINI_API_KEY")
        return Path(file).read_text() if is_ours else None

    def set_password(self, service: str, username: str, password: str) -> None:
        raise PasswordSetError("read only")
