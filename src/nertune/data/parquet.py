"""Parquet files, in which the Hub holds data sets; one row group at a time is in memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from nertune.data.source import Source
from nertune.data.tables import BATCH_ROWS, documents, find_columns
from nertune.documents import Document
from nertune.errors import DataError, DependencyError

PARQUET_MAGIC = b"PAR1"


def read_parquet(source: Source) -> Iterator[Document]:
    """The documents of a Parquet file.

    Raises DataError as `tables` does, and for a file that is broken or cannot be rewound.
    """
    with _opened(source) as file:
        columns = find_columns(file.schema_arrow, source)
        batches = file.iter_batches(batch_size=BATCH_ROWS, columns=columns.used)
        yield from documents(batches, columns, source)


@contextmanager
def _opened(source: Source) -> Iterator[Any]:
    """The file for pyarrow, whose complaints become DataError."""
    if not source.stream.seekable():
        raise DataError("a Parquet file cannot be read from a pipe; name the file", source.name)
    try:
        import pyarrow
        import pyarrow.parquet as parquet
    except ModuleNotFoundError:
        raise DependencyError("pyarrow", "train", "reading a Parquet file") from None
    try:
        yield parquet.ParquetFile(source.stream)
    except (OSError, pyarrow.ArrowException) as error:
        raise DataError(
            f"not a whole Parquet file ({' '.join(str(error).split())}); fetch or write it anew",
            source.name,
        ) from error
