"""Endpoints and CURVE keys, as users write them."""
from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass
from typing import Optional

from . import errors

DEFAULT_ENDPOINT = "tcp://127.0.0.1:7440"
IPC_PATH_BYTES_MAX = 107  # The kernel's limit on a socket's path.
_Z85 = re.compile(r"[0-9a-zA-Z.\-:+=^!/*?&<>()\[\]{}@%$#]{40}\Z")
_TCP = re.compile(r"(?P<host>[A-Za-z0-9._:\[\]%-]{1,255}):(?P<port>\d{1,5})\Z")


@dataclass(frozen=True)
class Keys:
    """A CURVE key pair and the broker's public key; 40 characters of Z85 each."""

    public: str
    secret: str
    server: str


def endpoint(text: Optional[str]) -> str:
    """`text`, or $GANGER_BROKER, or the default, as libzmq takes it. BadCall: it is
    neither tcp://host:port nor ipc:///path."""
    told = text if text is not None else os.environ.get("GANGER_BROKER") or DEFAULT_ENDPOINT
    code = "usage" if text is not None else "config"
    if told.startswith("ipc://"):
        if 1 <= len(os.fsencode(told[6:])) <= IPC_PATH_BYTES_MAX:
            return told
        raise errors.make(code, f"the path in the endpoint {told!r} has no 1 to "
                          f"{IPC_PATH_BYTES_MAX} bytes")
    found = _TCP.match(told.removeprefix("tcp://"))
    if found is None or not 1 <= int(found["port"]) <= 65535:
        raise errors.make(code, f"the endpoint {told!r} is neither tcp://host:port nor "
                          "ipc:///path/of/socket")
    return f"tcp://{found['host']}:{found['port']}"


def keys(key_file: Optional[str], server_key: Optional[str]) -> Optional[Keys]:
    """From the arguments, or $GANGER_KEY_FILE and $GANGER_SERVER_KEY; None: no CURVE.
    BadCall: keys that cannot be, or a file that others can read."""
    path = key_file or os.environ.get("GANGER_KEY_FILE")
    server = server_key or os.environ.get("GANGER_SERVER_KEY")
    code = "usage" if key_file or server_key else "config"
    if not path and not server:
        return None
    if not path:
        raise errors.make(code, "the broker's key is set and no key file of your own; name "
                          "one in GANGER_KEY_FILE (ganger key new makes it)")
    found = _read_file(path, code)
    server = server or found.get(("metadata", "server-key"))
    if not server or not _Z85.match(server):
        raise errors.make(code, "the broker's public key is not 40 characters of Z85; set "
                          "GANGER_SERVER_KEY to the public-key of the broker's key file")
    for name in ("public-key", "secret-key"):
        if ("curve", name) not in found:
            raise errors.make(code, f"the key file {path} has no {name} in its section "
                              '"curve"; make one with: ganger key new')
    return Keys(found["curve", "public-key"], found["curve", "secret-key"], server)


def _read_file(path: str, code: str) -> dict[tuple[str, str], str]:
    try:
        with open(path, encoding="utf-8") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            lines = file.read(65536).splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise errors.make(code, f"the key file {path} cannot be read: {error}") from error
    if mode & 0o077:
        raise errors.make(code, f"the key file {path} can be read or written by others "
                          f"(mode {mode:04o}); do: chmod 600 on it, or make a new key")
    found, section = {}, ""
    for line in lines:
        if line[:1] not in (" ", "\t", "#", ""):
            section = line.split()[0]
            continue
        match = re.match(r'\s+([\w-]+)\s*=\s*"(.*)"\s*\Z', line)
        if match:
            if match[1].endswith("-key") and not _Z85.match(match[2]):
                raise errors.make(code, f"{match[1]} in the key file {path} is not 40 "
                                  "characters of Z85")
            found[section, match[1]] = match[2]
    return found
