"""Documents tagged into a stream or a file: constant memory, order kept, kills survived.

`write_tagged` writes to an open stream, `write_tagged_file` to a file that takes its name when it
is whole. What `nertune predict` does is one of the two.
"""

from nertune.streaming.identity import made_from
from nertune.streaming.partial import PartialFile, partial_file
from nertune.streaming.writing import (
    Origins,
    Tagging,
    Tally,
    Watch,
    segments,
    write_tagged,
    write_tagged_file,
)

__all__ = [
    "Origins",
    "PartialFile",
    "Tagging",
    "Tally",
    "Watch",
    "made_from",
    "partial_file",
    "segments",
    "write_tagged",
    "write_tagged_file",
]
