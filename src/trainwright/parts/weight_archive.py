"""The archive that torch saves, looked at member by member before anything reads it: what is no weights is refused.

A zip archive can say one thing in its directory and hold another: members that grow when they are unpacked, that lie
over one another, that name places outside, that are links. torch stores its members plain and side by side, under one
folder and by few names; whatever is otherwise did not come from `torch.save` of weights.
"""

from __future__ import annotations

import re
import stat
import zipfile
from pathlib import Path

from trainwright.errors import RunError

_MAGIC = b"PK\x03\x04"
_LEGACY = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9"  # how files of torch before 1.6 begin: a pickle of torch's magic number
_KNOWN = re.compile(
    r"(?P<top>[^/]+)/(data\.pkl|byteorder|version|\.format_version|\.storage_alignment|\.data/serialization_id|data/\d+)"
)
_MOST_MEMBERS = 200_000  # the largest published networks have some ten thousand tensors
_MOST_DIRECTORY = 64 * 2**20  # bytes of data.pkl, which holds names and shapes alone
_CHUNK = 8 * 2**20
_REMEDY = "get the file again from where it was published, best as safetensors; do not open it with other programs"


def check_archive(path: Path) -> list[int] | None:
    """Look at every member of a file that torch saved; return the bytes of each tensor's member.

    Files of torch before 1.6 are no archives: None is returned for them.

    Every byte is read once, and compared with the archive's checksums. Raises `RunError` with the member that is
    wrong, and for a file that torch did not save.
    """
    with path.open("rb") as file:
        head = file.read(16)
    if not head.startswith(_MAGIC):
        if head.startswith(_LEGACY):
            return None
        raise RunError(
            f"the weights in {path} cannot be read: the file is damaged, or no weights",
            evidence=f"it starts with the bytes {head[:8].hex(' ') or '(none)'}, as nothing does that torch saved",
            remedy="copy or download it again, or start from another checkpoint",
        )
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            problem = _problem(members, path.stat().st_size)
            if problem:
                raise RunError(f"{path} is no archive that torch saved", evidence=problem, remedy=_REMEDY)
            for member in members:
                with archive.open(member) as stream:  # which compares the checksum at its end
                    while stream.read(_CHUNK):
                        pass
    except (OSError, ValueError, EOFError, NotImplementedError, zipfile.BadZipFile, RuntimeError) as problem:
        raise RunError(
            f"the weights in {path} cannot be read: the file is damaged, or no weights",
            evidence=f"{type(problem).__name__}: {problem}",
            remedy="copy or download it again, or start from another checkpoint",
        ) from None
    return [member.file_size for member in members if "/data/" in member.filename]


def _problem(members: list[zipfile.ZipInfo], size: int) -> str:
    """Return what is wrong with the members of an archive of `size` bytes; "" where nothing is."""
    if len(members) > _MOST_MEMBERS:
        return f"it has {len(members):,} members; at most {_MOST_MEMBERS:,} are read"
    tops, names = set(), set()
    end = 0
    for member in sorted(members, key=lambda member: member.header_offset):
        name = member.filename
        known = _KNOWN.fullmatch(name)
        if known is None or name != member.orig_filename:
            return f"it holds {member.orig_filename[:200]!r}, which is neither tensors nor their names"
        if name in names:
            return f"it holds {name!r} twice"
        if stat.S_IFMT(member.external_attr >> 16) not in (0, stat.S_IFREG):
            return f"{name!r} is no regular file"
        if member.flag_bits & 0x1:
            return f"{name!r} is encrypted"
        if member.compress_type != zipfile.ZIP_STORED or member.file_size != member.compress_size:
            return f"{name!r} is compressed, to {member.compress_size:,} bytes of {member.file_size:,}"
        if member.header_offset < end:
            return f"{name!r} lies over another member"
        if name.endswith("/data.pkl") and member.file_size > _MOST_DIRECTORY:
            return f"{name!r} has {member.file_size:,} bytes; names and shapes take at most {_MOST_DIRECTORY:,}"
        end = member.header_offset + member.file_size
        if end > size:
            return f"{name!r} ends beyond the file"
        names.add(name)
        tops.add(known["top"])
    if len(tops) != 1 or tops <= {".", ".."}:
        return f"its members lie in {len(tops)} folders, not in one"
    return "" if f"{next(iter(tops))}/data.pkl" in names else "it holds no data.pkl, where the tensors' names are"
