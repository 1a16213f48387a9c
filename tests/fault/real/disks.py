"""Disks for the tests: file systems in files, that lose their power or are full.

They need root and loop devices. Where those are not there a test says so and exits 77.
"""
import fcntl
import os
import shutil
import struct
import subprocess
import sys
import tempfile

MIB = 1 << 20
SHUTDOWN = 0x8004587D  # FS_IOC_SHUTDOWN, of ext4 and XFS alike.
NO_LOG_FLUSH = 2
MAKE = {
    "ext4": ["mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0"],
    "xfs": ["mkfs.xfs", "-q", "-f"],
}


def skip(why):
    print("skipped:", why)
    sys.exit(77)


class Disk:
    """A file system in a file, mounted."""

    def __init__(self, kind, mib, folder=None):
        self.folder = tempfile.mkdtemp(prefix="ganger-disk-", dir=folder)
        self.image = os.path.join(self.folder, "image")
        self.path = os.path.join(self.folder, "mounted")
        os.mkdir(self.path)
        with open(self.image, "wb") as image:
            image.truncate(mib * MIB)
        subprocess.run([*MAKE[kind], self.image], check=True, stdout=subprocess.DEVNULL)
        self.mounted = False
        self.mount()

    def mount(self):
        subprocess.run(["mount", "-o", "loop", self.image, self.path], check=True)
        self.mounted = True

    def unmount(self):
        if self.mounted:
            subprocess.run(["umount", self.path], check=True)
            self.mounted = False

    def cut_power(self):
        """From this instant on nothing that was not synced will ever be there."""
        fd = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.ioctl(fd, SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
        finally:
            os.close(fd)

    def free_bytes(self):
        stat = os.statvfs(self.path)
        return stat.f_bavail * stat.f_frsize

    def close(self):
        if self.mounted:
            subprocess.run(["umount", "-l", self.path], check=False)
        shutil.rmtree(self.folder, ignore_errors=True)


def kinds():
    """The file systems that can be made and mounted here; skips the test if none can."""
    if os.geteuid() != 0:
        skip("mounting a disk of our own needs root")
    found = []
    for kind, command in MAKE.items():
        if shutil.which(command[0]) is None:
            print("skipped:", kind, "as", command[0], "is not installed")
            continue
        try:
            Disk(kind, 320).close()
            found.append(kind)
        except (subprocess.CalledProcessError, OSError) as error:
            print("skipped:", kind, "as it cannot be mounted here:", error)
    if not found:
        skip("no file system can be mounted here")
    return found
