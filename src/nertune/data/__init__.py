"""Files to streams of Document and back; one format a file, one row in FORMATS."""

from nertune.data.reading import FORMATS, Format, guess_format, read, read_stream
from nertune.data.report import ReadReport
from nertune.data.writing import write_columns, write_jsonl

__all__ = [
    "FORMATS",
    "Format",
    "ReadReport",
    "guess_format",
    "read",
    "read_stream",
    "write_columns",
    "write_jsonl",
]
