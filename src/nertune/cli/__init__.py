"""The command line: each command a short shell over an importable function."""
