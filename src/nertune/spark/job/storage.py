"""A Hadoop file system by the few verbs that a job needs: local disk, HDFS, object stores."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from pyspark.sql import SparkSession

from nertune.errors import OutputError
from nertune.spark.faults import FAULTS, reason_of


class Storage:
    """The file system of one path. Paths are strings; every fault of it is an OutputError."""

    def __init__(self, spark: SparkSession, path: str) -> None:
        context = spark.sparkContext
        self._jvm: Any = context._jvm
        with _told(path):
            found = self._path(path)
            self._system: Any = found.getFileSystem(context._jsc.hadoopConfiguration())
            self.path = str(self._system.makeQualified(found).toString())

    def _path(self, path: str) -> Any:
        return self._jvm.org.apache.hadoop.fs.Path(path)

    def exists(self, path: str) -> bool:
        """Whether there is such a file or folder."""
        with _told(path):
            return bool(self._system.exists(self._path(path)))

    def names(self, folder: str) -> list[str]:
        """What stands in a folder, sorted; nothing where there is no such folder."""
        if not self.exists(folder):
            return []
        with _told(folder):
            return sorted(
                str(one.getPath().getName()) for one in self._system.listStatus(self._path(folder))
            )

    def make_folder(self, folder: str) -> None:
        """Make a folder with its parents; one that is there stays."""
        with _told(folder):
            self._system.mkdirs(self._path(folder))

    def remove(self, path: str) -> None:
        """Remove a file, or a folder with all in it; none there is none the less."""
        with _told(path):
            self._system.delete(self._path(path), True)

    def remove_empty(self, folder: str) -> None:
        """Remove a folder if nothing is in it."""
        with suppress(*FAULTS):  # something is
            self._system.delete(self._path(folder), False)

    def rename(self, path: str, target: str) -> None:
        """Give a file or folder another name, which nothing may have."""
        with _told(target):
            if not self._system.rename(self._path(path), self._path(target)):
                raise OutputError(
                    f"{target}: cannot be written (the file system refuses to rename {path}); "
                    "choose another OUT on one file system"
                )

    def read_json(self, path: str) -> Any:
        """The JSON value in a file; None where there is no such file, or it is not whole."""
        if not self.exists(path):
            return None
        with _told(path):
            stream = self._system.open(self._path(path))
            try:
                told = self._jvm.org.apache.commons.io.IOUtils.toString(stream, "UTF-8")
            finally:
                stream.close()
        with suppress(ValueError):
            return json.loads(told)
        return None

    def glance_at_json(self, path: str) -> Any:
        """The same, and None where others take the file away or write it just now."""
        with suppress(OutputError):
            return self.read_json(path)
        return None

    def write_json(self, path: str, value: Mapping[str, Any]) -> None:
        """Write a file that appears when it is whole."""
        folder, _, name = path.rpartition("/")
        unfinished = f"{folder}/_{name}.{uuid.uuid4().hex}"
        self._put(unfinished, value, overwrite=True)
        if self.exists(path):
            self.remove(path)
        self.rename(unfinished, path)

    def touch(self, path: str, value: Mapping[str, Any]) -> None:
        """Write a small file over itself; who reads it meanwhile may find it empty."""
        self._put(path, value, overwrite=True)

    def create(self, path: str, value: Mapping[str, Any]) -> bool:
        """Write a file that must not be there; False where it is."""
        try:
            self._put(path, value, overwrite=False)
        except OutputError:
            if self.exists(path):
                return False
            raise
        return True

    def create_empty(self, path: str) -> None:
        """Make an empty file."""
        with _told(path):
            self._system.create(self._path(path), True).close()

    def _put(self, path: str, value: Mapping[str, Any], overwrite: bool) -> None:
        with _told(path):
            stream = self._system.create(self._path(path), overwrite)
            try:
                stream.write(bytearray(json.dumps(dict(value)).encode()))
            finally:
                stream.close()


@contextmanager
def _told(path: str) -> Iterator[None]:
    """Java's faults as one that says what to do."""
    try:
        yield
    except FAULTS as error:
        raise OutputError(
            f"{path}: cannot be read or written ({reason_of(error)}); choose another OUT, or free "
            "this one and run again"
        ) from error
