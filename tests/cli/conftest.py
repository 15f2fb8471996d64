"""The program, for all tests of commands."""

from program import cli

__all__ = ["cli"]
