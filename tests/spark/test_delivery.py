"""How the model comes to the workers, and how a pipeline is saved and loaded."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from spark_texts import TEXTS

from nertune import Tagger
from nertune.errors import BundleError

pytest.importorskip("pyspark")
from pyspark.errors import PythonException
from pyspark.ml import Pipeline, PipelineModel

from nertune.spark import DocumentAssembler, NerConverter, NerTagger, WordTokenizer, ship
from nertune.spark.models import ModelSpec, fingerprint_of, tagger_of

pytestmark = [pytest.mark.spark, pytest.mark.filterwarnings("ignore::DeprecationWarning")]


def pipeline(tagger: Any, frame: Any) -> Any:
    first = [DocumentAssembler(inputCol="text"), WordTokenizer()]
    return Pipeline(stages=[*first, tagger, NerConverter()]).fit(frame)


def entities(frame: Any) -> list[list[tuple[int, int, str]]]:
    return [
        [(one.begin, one.end + 1, one.metadata["entity"]) for one in row.entities]
        for row in frame.orderBy("id").select("entities").collect()
    ]


@pytest.fixture(scope="module")
def frame(spark: Any) -> Any:
    return spark.createDataFrame(list(enumerate(TEXTS)), "id int, text string")


@pytest.fixture(scope="module")
def expected(graph: Path) -> list[list[tuple[int, int, str]]]:
    documents = Tagger.load(graph).tag_texts(TEXTS)
    return [[(one.start, one.end, one.label) for one in each.entities] for each in documents]


def test_a_model_that_workers_cannot_read_is_told_before_the_job(frame: Any) -> None:
    tagger = NerTagger(model="/no/such/folder")
    with pytest.raises(BundleError) as caught:
        pipeline(tagger, frame).transform(frame)
    told = str(caught.value)
    assert told.startswith("/no/such/folder: cannot be loaded on the worker ")
    assert "there is no such model folder" in told
    assert "a shared file system" in told
    assert "delivery='ship'" in told


def test_a_model_that_is_incomplete_is_told_before_the_job(frame: Any, moved: Path) -> None:
    (moved / "tokenizer.json").unlink()
    with pytest.raises(BundleError, match=r"holds no tokenizer.json"):
        pipeline(NerTagger.load(moved), frame).transform(frame)


def test_workers_have_no_torch(spark: Any) -> None:
    """Of the tests, so that they fail where a worker would import it."""

    def imports(batches: Any) -> Any:
        import torch  # noqa: F401

        return batches

    with pytest.raises(PythonException, match="a worker imports torch"):
        spark.range(1).mapInArrow(imports, "id long").collect()


def test_what_is_no_model_is_refused_when_it_is_named(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"holds no config.json"):
        NerTagger.load(tmp_path)
    with pytest.raises(BundleError, match=r"'english' .en.: there is no such model; expected"):
        NerTagger.pretrained("english")
    with pytest.raises(BundleError, match=r"has no model to save; say NerTagger.load"):
        NerTagger().save(str(tmp_path / "stage"))


def test_pretrained_takes_folders(graph: Path) -> None:
    assert NerTagger.pretrained(str(graph), "en").value("model") == str(graph)


@pytest.mark.parametrize("by_hand", [True, False])
def test_a_model_is_sent_to_the_workers(
    spark: Any, frame: Any, moved: Path, expected: object, by_hand: bool
) -> None:
    tagger = NerTagger(model=ship(spark, moved)) if by_hand else NerTagger.load(moved)
    found = pipeline(tagger if by_hand else tagger.setDelivery("ship"), frame).transform(frame)
    shutil.rmtree(moved)
    assert entities(found) == expected


def test_a_model_is_sent_once_however_often_it_is_asked_for(spark: Any, moved: Path) -> None:
    (moved / "config.json").write_text((moved / "config.json").read_text() + "\n")  # one of its own
    before = set(spark.sparkContext.listArchives)
    name = ship(spark, moved)
    assert ship(spark, moved) == name
    [sent] = set(spark.sparkContext.listArchives) - before  # a cluster refuses a second one
    assert sent.endswith(f".zip#{name.partition(':')[2]}")


def test_a_model_that_was_never_sent_is_told(frame: Any) -> None:
    with pytest.raises(BundleError, match=r"was not sent to this worker.*nertune.spark.ship"):
        pipeline(NerTagger(model="shipped:nertune-0"), frame).transform(frame)


def test_a_model_that_changed_is_loaded_anew(
    frame: Any, moved: Path, expected: object, graphs: Callable[[str], Path]
) -> None:
    fitted = pipeline(NerTagger.load(moved), frame)
    assert entities(fitted.transform(frame)) == expected
    shutil.rmtree(moved)
    shutil.copytree(graphs("electra"), moved)
    assert entities(fitted.transform(frame)) != expected


def test_a_worker_with_another_model_says_so(graph: Path) -> None:
    assert tagger_of(ModelSpec(str(graph), fingerprint_of(graph))).labels == ["LOC", "PER"]
    with pytest.raises(BundleError, match=r"is another model on this worker than on the others"):
        tagger_of(ModelSpec(str(graph), "0"))


def test_a_pipeline_may_be_saved_without_its_model(frame: Any, graph: Path, tmp_path: Path) -> None:
    path = str(tmp_path / "saved")
    pipeline(NerTagger.load(graph).setSaveModel(False), frame).save(path)
    assert not [*Path(path).rglob("model.onnx")]
    assert PipelineModel.load(path).stages[2].value("model") == str(graph)


def test_a_pipeline_is_saved_to_another_file_system(
    frame: Any, graph: Path, expected: object
) -> None:
    path = "viewfs://disk/data/saved"
    fitted = pipeline(NerTagger.load(graph), frame)
    fitted.save(path)
    loaded = PipelineModel.load(path)
    assert loaded.stages[2].value("delivery") == "ship"
    assert entities(loaded.transform(frame)) == expected
