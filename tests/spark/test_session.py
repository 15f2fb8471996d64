"""What is said where Java or pyspark is missing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from nertune.errors import DependencyError


def test_without_pyspark_the_extra_is_named() -> None:
    code = (
        "import sys; sys.modules['pyspark'] = None\n"
        "import nertune.spark\n"
        "from nertune.errors import DependencyError\n"
        "try:\n    from nertune.spark import NerTagger\n"
        "except DependencyError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == (
        "Tagging on Spark needs the package 'pyspark', which is not installed. Install it with: "
        "pip install 'nertune[spark]'\n"
    )


def test_an_unknown_name_is_no_missing_package() -> None:
    import nertune.spark

    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        nertune.spark.nothing  # noqa: B018


def program(folder: Path, says: str, status: int = 0) -> str:
    """A `java` that only says its version; its JAVA_HOME."""
    path = folder / "bin" / "java"
    path.parent.mkdir(parents=True)
    path.write_text(f"#!/bin/sh\necho '{says}' >&2\nexit {status}\n")
    path.chmod(0o755)
    return str(folder)


def test_java_of_the_right_version_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("pyspark")
    from nertune.spark.session import check_java

    monkeypatch.setenv("JAVA_HOME", program(tmp_path, 'openjdk version "21.0.2" 2024-01-16'))
    assert check_java() == 21


@pytest.mark.parametrize(
    ("says", "status", "told"),
    [
        (None, 0, "there is no program 'java', and JAVA_HOME is not set"),
        ('java version "1.8.0_402"', 0, "is of version 8"),
        ("broken", 1, "cannot be run"),
    ],
)
def test_missing_java_says_how_to_get_it(
    says: str | None, status: int, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("pyspark")
    from nertune.spark import start

    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    if says is not None:
        monkeypatch.setenv("JAVA_HOME", program(tmp_path / "jdk", says, status))
    with pytest.raises(DependencyError, match=told) as caught:
        start("local[1]")
    assert "needs Java 17 or newer" in str(caught.value)
    assert "apt-get install openjdk-17-jre-headless" in str(caught.value)


@pytest.mark.parametrize("remote", [None, "sc://nowhere"])
def test_a_session_that_does_not_start_names_what_was_given(
    remote: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("pyspark")
    from pyspark.errors import PySparkException
    from pyspark.sql import SparkSession

    from nertune.errors import NertuneError
    from nertune.spark import session

    def fails(_: object) -> None:
        raise PySparkException("Could not parse Master URL: 'local[x]'\n\tat ...")

    monkeypatch.setattr(session, "check_java", lambda: 17)
    monkeypatch.setattr(SparkSession.Builder, "getOrCreate", fails)
    settings = {"spark.task.cpus": "4", "spark.x.secret.key": "hush"}
    with pytest.raises(NertuneError) as caught:
        session.start("local[x]", remote=remote, settings=settings)
    assert str(caught.value).startswith(
        f"{remote or 'master local[x]'} with spark.task.cpus=4, spark.x.secret.key=***: "
        "Spark cannot start (Could not parse Master URL: 'local[x]'); expected"
    )
