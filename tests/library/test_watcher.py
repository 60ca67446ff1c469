"""The disks that the system cannot watch."""

from __future__ import annotations

from pathlib import Path

import pytest

from objlib.library.watcher import shared_disk

MOUNTS = """\
22 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw
30 22 0:27 / /tmp rw shared:9 - tmpfs tmpfs rw
41 22 0:40 / /srv/lectures rw,relatime shared:20 - nfs4 nas:/lectures rw,vers=4.2
42 22 0:41 / /srv/my\\040talks rw,relatime - fuse.sshfs me@far: rw,user_id=1000
43 22 8:17 / /media/stick rw,relatime - fuseblk /dev/sdb1 rw
44 22 0:50 / /home/me/both rw - ext4 /dev/vdb rw
45 44 0:51 / /home/me/both/share rw - cifs //nas/share rw
46 41 0:52 / /srv/lectures/local rw - ext4 /dev/vdc rw
47 22 0:53 / /mnt/auto rw - autofs systemd-1 rw
48 47 0:54 / /mnt/auto rw - nfs nas:/auto rw
"""


@pytest.mark.parametrize(
    ("root", "told"),
    [
        ("/srv/lectures", "/srv/lectures is a drive that others may change (nfs4)"),
        ("/srv/lectures/2024", "/srv/lectures is a drive that others may change (nfs4)"),
        ("/srv/my talks/a", "/srv/my talks is a drive that others may change (fuse.sshfs)"),
        ("/home/me/both", "/home/me/both/share is a drive that others may change (cifs)"),
        ("/home", "/home/me/both/share is a drive that others may change (cifs)"),
        ("/mnt/auto/x", "/mnt/auto is a drive that others may change (nfs)"),
        ("/home/me/lectures", None),
        ("/srv/lectures/local/x", None),
        ("/srv/lectures2", None),
        ("/media/stick", None),
    ],
)
def test_a_folder_that_other_machines_change_is_looked_at(root: str, told: str | None) -> None:
    """The mount that it lies on counts, and each below it; names are unescaped."""
    assert shared_disk(Path(root), MOUNTS) == told


def test_without_a_table_of_mounts_every_disk_is_watched() -> None:
    """There is none but on Linux."""
    assert shared_disk(Path("/srv/lectures"), "") is None
