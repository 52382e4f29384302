"""Model folders as zips."""

import io
import zipfile
from pathlib import Path


def pack(files: dict[str, bytes] | Path, top: str = "films/") -> io.BytesIO:
    """Return a zip of files, by name, or of a folder's; each name begins with `top`."""
    content = io.BytesIO()
    if isinstance(files, Path):
        files = {path.name: path.read_bytes() for path in files.iterdir()}
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(f"{top}{name}", data)
    content.seek(0)
    return content
