"""The program run in this process, and how it ended."""

from __future__ import annotations

import io
import sys
from dataclasses import dataclass

import pytest

from nertune.cli.main import main


@dataclass(frozen=True)
class Ended:
    """How a command ended: its status, what it wrote, what it said."""

    status: int
    out: str
    err: str

    def failed(self) -> str:
        """The message of a command that must have failed in the orderly way."""
        assert self.status == 2, self.err
        assert self.out == ""
        assert self.err.startswith("error: ")
        assert self.err.count("error: ") == 1
        assert "Traceback" not in self.err
        return self.err.removeprefix("error: ").rstrip("\n")

    def worked(self) -> str:
        """The output of a command that must have gone well."""
        assert self.status == 0, self.err
        assert "Traceback" not in self.err
        return self.out


@pytest.fixture
def cli(monkeypatch, capsys):
    """Runs the program in this process, error handling and all."""

    def run(*arguments: object, stdin: bytes = b"") -> Ended:
        monkeypatch.setattr(sys, "argv", ["nertune", *map(str, arguments)])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        monkeypatch.setattr(sys, "excepthook", sys.excepthook)
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main()
        captured = capsys.readouterr()
        return Ended(int(end.value.code or 0), captured.out, captured.err)

    return run
