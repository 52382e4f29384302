"""Zips of model folders: looked at before anything is unpacked, and unpacked within bounds."""

import re
import stat
import threading
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import IO

from robust_core.errors import BadInput, list_names, quote, shorten
from robust_core.models.staging import Staged, belongs, check_size, check_weights, copy, stage

_MOST_ENTRIES, _MOST_LIST = 2_000, 2_000_000


def stage_zip(file_name: str, file: IO[bytes], stop: threading.Event | None = None) -> Staged:
    """Unpack a zip of a Hugging Face folder: its one config.json, and what belongs to the model beside that.

    Args:
        file_name: Its name.
        file: The zip; it is read in pieces.
        stop: Ends the unpacking when it is set.

    Raises:
        BadInput: It is no zip, is encrypted, too large or has too many entries; an entry is a link or leads elsewhere;
            it holds no model or several; or nothing can be written.
    """
    name = shorten(file_name)
    bounded = _Bounded(file)
    try:
        with zipfile.ZipFile(bounded) as archive:
            bounded.most = None
            chosen, left_out = _choose_entries(archive.infolist(), name)
            with stage(file_name) as folder:
                for target, entry in chosen.items():
                    with archive.open(entry) as source, (folder / target).open("xb") as out:
                        copy(source, out, entry.file_size, name, stop)
                return Staged(folder, folder.name, name, left_out)
    except BadInput:
        raise
    except (zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, RuntimeError, EOFError, ValueError,
            OverflowError, zlib.error) as error:
        raise BadInput(f"{name} cannot be read as a zip: {shorten(str(error), 80) or type(error).__name__}.") from None
    except OSError as error:
        raise BadInput(f"{name} cannot be unpacked: {shorten(error.strerror or str(error))}.") from None


class _Bounded:
    """A file of which no more than some bytes are read, while `most` says so: the list of a zip's entries.

    That list says itself how long it is, and all of it becomes objects in memory.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self.most = file, _MOST_LIST
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable

    most: int | None

    def read(self, size: int = -1) -> bytes:
        if self.most is None:
            return self._file.read(size)
        found = self._file.read(self.most + 1 if size < 0 else min(size, self.most + 1))
        self.most -= len(found)
        if self.most < 0:
            raise BadInput(f"The zip lists too many files: {_MOST_ENTRIES:,} are the most.")
        return found


def _choose_entries(entries: Sequence[zipfile.ZipInfo], name: str
                    ) -> tuple[dict[str, zipfile.ZipInfo], tuple[str, ...]]:
    """Return what is unpacked, by plain file name, and the names of what is not."""
    if len(entries) > _MOST_ENTRIES:
        raise BadInput(f"{name} lists {len(entries):,} files; {_MOST_ENTRIES:,} are the most.")
    for entry in entries:
        _check_entry(entry, name)
    files = [entry for entry in entries if not entry.is_dir() and "__MACOSX" not in PurePosixPath(entry.filename).parts]
    homes = sorted({PurePosixPath(entry.filename).parent for entry in files
                    if PurePosixPath(entry.filename).name == "config.json"}, key=lambda home: len(home.parts))
    if not homes:
        raise BadInput(f"{name} holds no config.json: zip the folder that save_pretrained wrote.")
    if len(homes) > 1 and len(homes[0].parts) == len(homes[1].parts):
        raise BadInput(f"{name} holds several models ({list_names(map(str, homes), 80)}); zip the folder of one.")
    beside = [entry for entry in files if PurePosixPath(entry.filename).parent == homes[0]]
    names = [PurePosixPath(entry.filename).name for entry in beside]
    if len({each.lower() for each in names}) < len(names):
        raise BadInput(f"{name} holds two files of one name.")
    chosen = {each: entry for each, entry in zip(names, beside, strict=True) if belongs(each)}
    check_weights(chosen, names, name)
    check_size(sum(entry.file_size for entry in chosen.values()), name)
    return chosen, tuple(entry.filename for entry in files if entry not in [*chosen.values()])


def _check_entry(entry: zipfile.ZipInfo, name: str) -> None:
    """Refuse an entry that leads out of the folder, is no plain file, or cannot be unpacked within bounds."""
    path, inner = PurePosixPath(entry.filename), quote(entry.filename, 40)
    if path.is_absolute() or ".." in path.parts or re.search(r"[\\:\0]", entry.orig_filename):
        raise BadInput(f"{name}: {inner} leads out of the folder; nothing was unpacked.")
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise BadInput(f"{name}: {inner} is a link or no plain file; zip the files themselves.")
    if entry.flag_bits & 1:
        raise BadInput(f"{name} is encrypted; zip the folder without a password.")
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise BadInput(f"{name}: {inner} is packed in an unusual way; use an ordinary zip (deflate).")
