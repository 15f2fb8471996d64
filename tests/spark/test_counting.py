"""What workers count, without Spark: batches of tags against the local scorer."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nertune import schemes
from nertune.errors import DataError
from nertune.scoring import Counts, Scores, score

pytest.importorskip("pyspark")
import pyarrow as pa

from nertune.spark.counting import (
    FAULT,
    CountEvidence,
    CountRow,
    CountScores,
    Reader,
    evidence_of,
    evidence_rows,
    in_arrow,
    score_rows,
    scores_of,
)

IOB2 = schemes.SCHEMES["IOB2"]
TAGS = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
READER = Reader(("gold tags", "predicted tags"), None)

pairs = st.lists(
    st.lists(st.tuples(st.sampled_from(TAGS), st.sampled_from(TAGS)), max_size=6), max_size=8
)
documents = st.lists(pairs, max_size=6)


def batches(columns: list[list[Any]], kind: Any, size: int) -> list[Any]:
    """Columns as record batches of so many rows, the first of them empty."""
    arrays = [pa.array(column, kind) for column in columns]
    whole = pa.RecordBatch.from_arrays(arrays, names=["gold", "predicted"][: len(columns)])
    return [whole.slice(0, 0), *(whole.slice(i, size) for i in range(0, len(whole), size))]


def summed(rows: Iterable[CountRow]) -> list[CountRow]:
    found: defaultdict[tuple[str, str], Counts] = defaultdict(Counts)
    for kind, name, counts in rows:
        found[kind, name] += counts
    return [(*key, counts) for key, counts in found.items()]


def sides(sentences: list[Any]) -> list[list[Any]]:
    return [[[pair[side] for pair in sentence] for sentence in sentences] for side in (0, 1)]


@given(sentences=pairs, size=st.integers(1, 4), mode=st.sampled_from(["conlleval", "strict"]))
@settings(deadline=None)
def test_sentences_count_as_the_local_scorer_counts_them(
    sentences: list[Any], size: int, mode: Any
) -> None:
    gold, predicted = sides(sentences)
    expected = score(gold, predicted, mode, IOB2)
    for kind in (pa.list_(pa.string()), pa.large_list(pa.large_string())):
        work = CountScores(READER, mode, IOB2)
        rows = work.rows(batches([gold, predicted], kind, size))
        assert scores_of(summed(rows)) == expected


@given(rows=documents, size=st.integers(1, 4))
@settings(deadline=None)
def test_documents_count_as_their_sentences(rows: list[Any], size: int) -> None:
    both = [sides(row) for row in rows]
    kind = pa.list_(pa.list_(pa.string()))
    given = batches([[one[side] for one in both] for side in (0, 1)], kind, size)
    flat = sides([sentence for row in rows for sentence in row])
    assert scores_of(summed(CountScores(READER, "conlleval", None).rows(given))) == score(*flat)
    evidence = CountEvidence(Reader(("tags",), None))
    found = evidence_of(summed(evidence.rows(one.select(["gold"]) for one in given)))
    expected = schemes.SchemeEvidence()
    for tags in flat[0]:
        if tags:
            expected.add(tags)
    assert found == expected


def test_ids_are_read_by_their_names() -> None:
    gold, predicted = [[0, 1, 2], []], [[0, 1, 3], []]
    reader = Reader(READER.what, tuple(TAGS))
    named = [[[TAGS[i] for i in row] for row in side] for side in (gold, predicted)]
    for kind in (pa.list_(pa.int64()), pa.list_(pa.int8())):
        given = batches([gold, predicted], kind, 1)
        found = scores_of(summed(CountScores(reader, "conlleval", None).rows(given)))
        assert found == score(*named)


def test_scores_and_evidence_come_back_from_their_rows() -> None:
    scores = score([["B-PER", "O"]], [["B-PER", "B-LOC"]])
    assert scores_of(score_rows(scores)) == scores
    assert scores_of([]) == Scores()
    evidence = schemes.SchemeEvidence()
    evidence.add(["B-PER", "I-PER", "O"])
    assert evidence_of(evidence_rows(evidence)) == evidence


STRINGS, NESTED, IDS = (
    pa.list_(pa.string()),
    pa.list_(pa.list_(pa.string())),
    pa.list_(pa.int64()),
)


@pytest.mark.parametrize(
    ("kind", "gold", "predicted", "told"),
    [
        (STRINGS, [["O"], ["O", "O"]], [["O"], ["O"]], "row 1 .from 0. has 2 gold tags and 1 pred"),
        (STRINGS, [["O"], ["O"]], [["O"], None], "row 1 .from 0. has a null among its predicted t"),
        (STRINGS, [["O"], ["O", None]], [["O"], ["O", "O"]], "row 1 .from 0. has a null among its"),
        (
            NESTED,
            [[], [["O"]]],
            [[], [["O"], ["O"]]],
            "row 1 .* has 1 sentences of gold tags and 2",
        ),
        (
            NESTED,
            [[], [[], ["O"]]],
            [[], [[], []]],
            "row 1 .*, sentence 1, has 1 gold tags and 0 p",
        ),
        (NESTED, [[], [["O"], None]], [[], [["O"], []]], "row 1 .* has a null among its gold tags"),
        (NESTED, [[["O"]], [["O"], [None]]], [[["O"]], [["O"], ["O"]]], "row 1 .* has a null"),
        (IDS, [[1], [0, 2]], [[1], [0, 0]], "row 1 .* has the tag id 2, but there are 2 names; ex"),
        (IDS, [[1], [-100]], [[1], [0]], "row 1 .* has the tag id -100, .*an id from 0 to 1"),
    ],
)
@pytest.mark.parametrize("size", [1, 2])
def test_a_fault_names_its_row(kind: Any, gold: Any, predicted: Any, told: str, size: int) -> None:
    work = CountScores(Reader(READER.what, ("O", "B-PER")), "conlleval", None)
    given = batches([gold, predicted], kind, size)
    with pytest.raises(DataError, match=told):
        list(work.rows(given))
    [row] = next(in_arrow(work)(iter(given))).to_pylist()
    assert row["kind"] == FAULT
    assert "DataError" in row["name"]


def test_a_partition_without_batches_counts_nothing() -> None:
    rows = next(in_arrow(CountScores(READER, "conlleval", None))(iter([]))).to_pylist()
    assert [(row["kind"], row["gold"]) for row in rows] == [("words", 0)]
    assert next(in_arrow(CountEvidence(READER))(iter([]))).num_rows == 0
