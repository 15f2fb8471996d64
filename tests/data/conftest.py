"""Helpers of the tests of reading and writing."""

from __future__ import annotations

from pathlib import Path

import pytest

from nertune.config import ReadSettings
from nertune.data import ReadReport, read
from nertune.documents import Document


class Written:
    """A file written for one test, and what reading it gives."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "file"
        self.report = ReadReport()

    def __call__(
        self, content: str | bytes, name: str = "file", **settings: object
    ) -> list[Document]:
        self.path = self.folder / name
        data = content.encode() if isinstance(content, str) else content
        self.path.write_bytes(data)
        self.report = ReadReport()
        return list(read(self.path, ReadSettings(**settings), self.report))  # type: ignore[arg-type]

    def fails(self, content: str | bytes, error: type[Exception], **settings: object) -> str:
        """The message of the error that reading raises, with the folder taken off."""
        with pytest.raises(error) as caught:
            self(content, **settings)  # type: ignore[arg-type]
        return str(caught.value).replace(f"{self.folder}/", "")


@pytest.fixture
def reading(tmp_path: Path) -> Written:
    return Written(tmp_path)
