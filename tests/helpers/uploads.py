"""Files as people upload them."""

from robust_core import datasets, uploads
from robust_core.table_files import read_upload

GOOD = [f"a good film number {i}, with a comma and a \"quote\"" for i in range(30)]
BAD = [f"a bad film number {i}" for i in range(20)]


def csv_file(header: str = "id,review,stars") -> bytes:
    quoted = ['"' + text.replace('"', '""') + '"' for text in [*GOOD, *BAD]]
    rows = [f"{i},{text},{1 if i < 30 else 0}" for i, text in enumerate(quoted)]
    return ("\ufeff" + "\r\n".join([header, *rows]) + "\r\n").encode()


def added(name: str = "mine", content: bytes | None = None) -> datasets.DataSet:
    table = read_upload("mine.csv", content or csv_file())
    return uploads.add_dataset(name, table, "review", "stars", {"0": "thumbs down", "1": "thumbs up"})
