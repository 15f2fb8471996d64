"""A Spark session on this machine, with what nertune needs; errors that say what is missing."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pyspark
from pyspark.sql import SparkSession

from nertune.errors import DependencyError, NertuneError
from nertune.spark.faults import FAULTS, reason_of

_SETTINGS = {
    # A transfer unit only: texts are long, and batches of the model are made anew.
    "spark.sql.execution.arrow.maxRecordsPerBatch": "1000",
}

_UNTOLD = ("spark.ui.showConsoleProgress",)
"""What `nertune spark tag` sets of itself, which is no fault of who called it."""

_SECRET = re.compile("secret|password|token|access[.]?key", re.IGNORECASE)
"""Settings whose values are not told: the default of `spark.redaction.regex`."""


class JavaError(DependencyError):
    """Java, which Spark runs on, is missing or too old."""

    def __init__(self, what: str) -> None:
        Exception.__init__(
            self,
            f"Spark {pyspark.__version__} needs Java {_least()} or newer: {what}. Install it with: "
            "apt-get install openjdk-17-jre-headless (Debian, Ubuntu), brew install openjdk@17 "
            "(macOS), or conda install openjdk=17; where it is installed already, let JAVA_HOME "
            "name its folder",
        )


class SessionError(NertuneError):
    """Spark itself cannot start with the master or the settings it was given."""

    def __init__(self, where: str, settings: Mapping[str, str], error: BaseException) -> None:
        told = {name: value for name, value in settings.items() if name not in _UNTOLD}
        given = ", ".join(
            f"{name}={'***' if _SECRET.search(name) else value}" for name, value in told.items()
        )
        super().__init__(
            f"{where}{f' with {given}' if given else ''}: Spark cannot start ({_reason(error)}); "
            "expected a master that can be reached, as 'local[4]', 'spark://host:7077' or 'yarn', "
            "and settings that Spark knows"
        )


def _reason(error: BaseException) -> str:
    reason = reason_of(error)
    if "JAVA_GATEWAY_EXITED" not in reason:
        return reason
    return "Java ended at once, and says why above"


def start(
    master: str | None = None,
    *,
    remote: str | None = None,
    app: str = "nertune",
    settings: Mapping[str, str] | None = None,
) -> SparkSession:
    """A session, or the one there is; what `sparknlp.start()` is there.

    master: none given, that of the cluster's own settings, else all cores of this machine. remote:
    a Spark Connect server (`sc://host:15002`), or `local[2]` for one on this machine. Workers on
    this machine run the Python that runs this. settings: more of Spark's own, by their names.
    Raises JavaError where a session on this machine cannot run, SessionError for a master or a
    setting that Spark does not take.
    """
    if remote is None or not remote.startswith("sc://"):
        check_java()
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder = SparkSession.builder.appName(app)
    if remote is not None:
        builder = builder.remote(remote)
    elif master is not None:
        builder = builder.master(master)
    for name, value in {**_SETTINGS, **(settings or {})}.items():
        builder = builder.config(name, value)
    try:
        return builder.getOrCreate()
    except FAULTS as error:
        where = remote or f"master {master or 'of the cluster settings'}"
        raise SessionError(where, settings or {}, error) from error


def check_java() -> int:
    """The version of the Java that Spark will run on. Raises JavaError."""
    home = os.environ.get("JAVA_HOME")
    program = str(Path(home) / "bin" / "java") if home else shutil.which("java")
    if program is None:
        raise JavaError("there is no program 'java', and JAVA_HOME is not set")
    try:
        done = subprocess.run(
            [program, "-version"], capture_output=True, text=True, check=True, timeout=60
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise JavaError(f"{program} cannot be run ({error})") from error
    found = re.search(r'version "(?:1\.)?(\d+)', done.stderr + done.stdout)
    version = int(found[1]) if found else 0
    if version < _least():
        raise JavaError(f"{program} is of version {version}")
    return version


def _least() -> int:
    return 17 if int(pyspark.__version__.partition(".")[0]) >= 4 else 8
