"""JSON arrays: element by element, whatever the chunks in which the file comes."""

from __future__ import annotations

import io
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nertune.config import ReadSettings
from nertune.data import ReadReport, json_array, read_stream
from nertune.documents import Document
from nertune.errors import DataError, TagError

ROWS = [
    {"id": 4074, "tokens": ["în", "Roma"], "ner_tags": ["O", "B-LOC"], "space_after": [True]},
    {"id": "b", "ner_tags": ["B-PER"], "tokens": ["😀\u2028\"]"]},
    {"text": "in Roma", "entities": [{"start": 3, "end": 7, "label": "LOC"}]},
]
DOCUMENTS = [
    Document.from_words(["în", "Roma"], ["O", "B-LOC"], id="4074"),
    Document.from_words(["😀\u2028\"]"], ["B-PER"], id="b"),
    Document.from_text("in Roma", [(3, 7, "LOC")]),
]


def test_each_element_is_a_document(reading):
    assert reading(json.dumps(ROWS, ensure_ascii=False)) == DOCUMENTS
    assert reading.report.ignored_keys == {"space_after": 1}


@pytest.mark.parametrize(
    "layout", [{"indent": 2}, {"ensure_ascii": True}, {"separators": (",", ":")}]
)
@pytest.mark.parametrize("chunk", [1, 2, 3, 7, 64])
def test_chunks_and_layout_make_no_difference(reading, monkeypatch, layout, chunk):
    monkeypatch.setattr(json_array, "_CHUNK", chunk)
    content = "\ufeff \n" + json.dumps(ROWS, **{"ensure_ascii": False, **layout}) + "\r\n "
    assert reading(content) == DOCUMENTS


def test_an_empty_array_holds_no_document(reading):
    assert reading.fails(" [ ] ", DataError).startswith("file: holds no document (read as json)")


SECOND_LINE = '[{"tokens": ["a"]},\n'


@pytest.mark.parametrize(
    ("rest", "reason", "message"),
    [
        ('{"tokens": ["b"],\n "tags": [3]}', "tags are no strings", "2: 'tags' holds integers"),
        ("\n7", "not an object", "3: int 7 where a document was expected"),
        ('"x"', "not an object", "2: a string where a document was expected"),
        ('{"tokens": [\n"\udce9"]}', "not UTF-8", "3: not UTF-8 (byte 0xE9 at column 2)"),
        ('{"tokens": ["\\ud800"]}', "lone surrogate", "2: '\\ud800' holds a lone surrogate"),
    ],
)
@pytest.mark.parametrize("chunk", [1, 1 << 16])
def test_a_faulty_element_stops_with_its_line_or_is_skipped(
    reading, monkeypatch, rest, reason, message, chunk
):
    monkeypatch.setattr(json_array, "_CHUNK", chunk)
    content = f'{SECOND_LINE}{rest}, {{"tokens": ["c"]}}]'.encode(errors="surrogateescape")
    assert reading.fails(content, DataError).startswith(f"file:{message}")
    documents = reading(content, on_error="skip")
    assert [document.words for document in documents] == [["a"], ["c"]]
    assert reading.report.skipped == {reason: 1}


def test_repair(reading):
    content = f'{SECOND_LINE}{{"tokens": ["b"], "ner_tags": ["X"]}}]'
    assert reading.fails(content, TagError).startswith("file:2: the tag 'X' has an unknown prefix")
    assert reading(content, on_error="repair")[1] == Document.from_words(["b"], ["O"])
    assert reading.report.repaired == {"unknown tag": 1}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"text": "a"}', "1: expected a JSON array that begins with ["),
        ("\n\nwords", "3: expected a JSON array that begins with ["),
        (SECOND_LINE, "2: the array is not closed: the file ends too early"),
        (SECOND_LINE + '{"tokens": ["b', "2: the array is not closed"),
        (SECOND_LINE + '{"tokens": ["b"]}', "2: the array is not closed"),
        (SECOND_LINE + '{"tokens": ["b"]\n', "3: the array is not closed"),
        (SECOND_LINE + "]" + " " * 30, "2: a comma before the closing ]"),
        (SECOND_LINE + '{"tokens": ["b"]}\n{"text": "c"}]', "3: expected , or ] after an element"),
        (SECOND_LINE + '{"text" "b"} , {"tokens": ["c"]}]', "2: not JSON: Expecting ':' delimiter"),
        (SECOND_LINE + '{"tokens": ["b"]}]\nmore', "3: something follows the end of the array"),
        ("[" * 100_000, "1: an element that cannot be read"),
        ("", ": expected a JSON array"),
    ],
)
@pytest.mark.parametrize("on_error", ["stop", "skip", "repair"])
def test_broken_json_always_stops(reading, content, message, on_error):
    shown = reading.fails(content, DataError, format="json", on_error=on_error)
    assert shown.startswith(f"file:{message}" if content else "file:1" + message)


def test_a_large_element_is_parsed_a_few_times_only(monkeypatch):
    tries = []

    class Counting(json.JSONDecoder):
        def raw_decode(self, s, idx=0):
            tries.append(len(s))
            return super().raw_decode(s, idx)

    monkeypatch.setattr(json_array, "_CHUNK", 64)
    monkeypatch.setattr(json_array.json, "JSONDecoder", Counting)
    row = {"tokens": ["word"] * 20_000}
    content = json.dumps([row, {"tokens": ["b"]}]).encode()
    documents = list(read_stream(io.BytesIO(content), ReadSettings(format="json")))
    assert [document.n_words for document in documents] == [20_000, 1]
    assert sum(tries) < 4 * len(content)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=60, deadline=None)
@given(values=st.lists(VALUES, max_size=5), chunk=st.integers(1, 20), ascii_only=st.booleans())
def test_any_array_is_cut_into_its_elements(values, chunk, ascii_only):
    rows = [{"text": json.dumps(value), "more": value} for value in values] + [{"text": ""}]
    report = ReadReport()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_array, "_CHUNK", chunk)
        content = json.dumps(rows, ensure_ascii=ascii_only).encode()
        documents = list(read_stream(io.BytesIO(content), ReadSettings(format="json"), report))
    assert [document.text for document in documents] == [row["text"] for row in rows]


def test_a_key_that_stands_twice(reading):
    content = '[{"text": "a"},\n{"text": "b", "text": "c"},\n{"text": "d"}]'
    message = reading.fails(content, DataError, format="json")
    assert message.startswith("file:2: the key 'text' stands twice")
    for on_error in ("skip", "repair"):
        documents = reading(content, format="json", on_error=on_error)
        assert [document.text for document in documents] == ["a", "d"]
        assert reading.report.skipped == {"key stands twice": 1}
