"""Reads a Parquet file from stdin and writes its rows as JSON lines to stdout, in a process of its own with limits.

A few bytes of Parquet may unpack to any size, and the library that unpacks them is written in C++: so a stranger's file
is read where limits on memory, time and output can end it. This file is run as a script and imports nothing of the
package. Where something is wrong, it ends with code 3 and says on stderr what.
"""

import errno
import json
import os
import resource
import signal
import sys

_MOST_MEMORY, _MOST_OUTPUT, _SECONDS = 6_000_000_000, 250_000_000, 60.0
_MOST_ROWS, _MOST_COLUMNS, _BATCH = 2_000_000, 1_000, 128


def convert(data: bytes) -> None:
    """Write the rows of a file; raise ValueError, in words, where it is too large or nested."""
    import pyarrow
    from pyarrow import parquet

    pyarrow.set_cpu_count(1)
    file = parquet.ParquetFile(pyarrow.BufferReader(data))
    rows, columns = file.metadata.num_rows, len(file.schema_arrow.names)
    if rows > _MOST_ROWS or columns > _MOST_COLUMNS:
        raise ValueError(f"it has {rows:,} rows of {columns:,} columns; {_MOST_ROWS:,} of {_MOST_COLUMNS:,} are the "
                         "most")
    for batch in file.iter_batches(batch_size=_BATCH, use_threads=False):
        for row in batch.to_pylist():
            sys.stdout.write(json.dumps(row, ensure_ascii=False, default=str) + "\n")


def main() -> None:
    """Convert what comes on stdin."""
    for what, most in ((resource.RLIMIT_AS, _MOST_MEMORY), (resource.RLIMIT_FSIZE, _MOST_OUTPUT),
                       (resource.RLIMIT_CORE, 0)):
        resource.setrlimit(what, (most, most))
    signal.setitimer(signal.ITIMER_PROF, _SECONDS)
    sys.stdout.reconfigure(encoding="utf-8", errors="replace")  # type: ignore[union-attr] (a text file)
    try:
        convert(sys.stdin.buffer.read())
        sys.stdout.flush()
    except MemoryError:
        sys.stderr.write("it takes too much memory")
        sys.exit(3)
    except OSError as error:
        too_long = error.errno == errno.EFBIG
        sys.stderr.write(f"it unpacks to more than {_MOST_OUTPUT:,} bytes" if too_long else str(error))
        sys.stderr.flush()
        # What is still to be written would fail once more.
        os._exit(3)
    except Exception as error:  # noqa: BLE001 (whatever the library says of a damaged file)
        sys.stderr.write(str(error) or type(error).__name__)
        sys.exit(3)


if __name__ == "__main__":
    main()
