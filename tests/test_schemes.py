"""The tag schemes: the eight tables held to each other, to their laws and to seqeval."""

from __future__ import annotations

from itertools import pairwise, product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from seqeval.metrics.sequence_labeling import get_entities  # type: ignore[import-untyped]

from nertune import schemes
from nertune.errors import TagError
from nertune.schemes import SCHEMES, Scheme, Span

quick = settings(deadline=None, max_examples=100)
all_schemes = pytest.mark.parametrize("scheme", list(SCHEMES.values()), ids=list(SCHEMES))

# Every kind of neighbourhood there is: single, two and three words, touching the same label,
# another label, O, and both edges.
RICH = [(0, 1, "PER"), (1, 4, "PER"), (4, 5, "LOC"), (6, 8, "LOC"), (9, 12, "ORG"), (12, 13, "ORG")]
N_RICH = 13
WRITTEN = {
    "IOB2": "B-PER B-PER I-PER I-PER B-LOC O B-LOC I-LOC O B-ORG I-ORG I-ORG B-ORG",
    "IO": "I-PER I-PER I-PER I-PER I-LOC O I-LOC I-LOC O I-ORG I-ORG I-ORG I-ORG",
    "IOB1": "I-PER B-PER I-PER I-PER I-LOC O I-LOC I-LOC O I-ORG I-ORG I-ORG B-ORG",
    "IOE2": "E-PER I-PER I-PER E-PER E-LOC O I-LOC E-LOC O I-ORG I-ORG E-ORG E-ORG",
    "IOE1": "E-PER I-PER I-PER I-PER I-LOC O I-LOC I-LOC O I-ORG I-ORG E-ORG I-ORG",
    "IOBES": "S-PER B-PER I-PER E-PER S-LOC O B-LOC E-LOC O B-ORG I-ORG E-ORG S-ORG",
    "BILOU": "U-PER B-PER I-PER L-PER U-LOC O B-LOC L-LOC O B-ORG I-ORG L-ORG U-ORG",
    "BMES": "S-PER B-PER M-PER E-PER S-LOC O B-LOC E-LOC O B-ORG M-ORG E-ORG S-ORG",
}


@st.composite
def annotated(draw: st.DrawFn) -> tuple[list[Span], int]:
    """Entities that do not overlap, in order, and the number of words of their sentence."""
    spans: list[Span] = []
    position = 0
    for _ in range(draw(st.integers(0, 6))):
        start = position + draw(st.integers(0, 2))
        position = start + draw(st.integers(1, 4))
        spans.append((start, position, draw(st.sampled_from(["PER", "LOC", "A-B"]))))
    return spans, position + draw(st.integers(0, 2))


def merged(spans: list[Span]) -> list[Span]:
    """What IO can still tell: neighbours of one label become one entity."""
    kept: list[Span] = []
    for start, end, label in spans:
        if kept and kept[-1][1:] == (start, label):
            start = kept.pop()[0]
        kept.append((start, end, label))
    return kept


def readable(scheme: Scheme, spans: list[Span]) -> list[Span]:
    return merged(spans) if scheme.name == "IO" else spans


def any_tags(prefixes: str) -> st.SearchStrategy[list[str]]:
    tags = ["O", *(f"{prefix}-{label}" for prefix in prefixes for label in ("PER", "LOC"))]
    return st.lists(st.sampled_from(tags), max_size=10)


@all_schemes
def test_encode_writes_the_scheme_as_it_is_known(scheme: Scheme) -> None:
    assert " ".join(schemes.encode(RICH, N_RICH, scheme)) == WRITTEN[scheme.name]


@all_schemes
@given(annotated())
@quick
def test_decode_undoes_encode(scheme: Scheme, data: tuple[list[Span], int]) -> None:
    spans, n_words = data
    tags = schemes.encode(spans, n_words, scheme)
    assert len(tags) == n_words
    assert schemes.decode(tags) == readable(scheme, spans)
    assert schemes.encode(spans[::-1], n_words, scheme) == tags


@all_schemes
@given(any_tags("BIESLUM"))
@quick
def test_repair_is_idempotent_keeps_entities_and_counts_changes(
    scheme: Scheme, tags: list[str]
) -> None:
    repaired, n_changed = schemes.repair(tags, scheme)
    assert n_changed == sum(old != new for old, new in zip(tags, repaired, strict=True))
    assert schemes.decode(repaired) == readable(scheme, schemes.decode(tags))
    assert schemes.repair(repaired, scheme) == (repaired, 0)
    assert {schemes.split_tag(tag)[0] for tag in repaired} <= {"O", *scheme.letters}


@pytest.mark.parametrize(("source", "target"), list(product(SCHEMES.values(), repeat=2)))
def test_convert_between_all_pairs(source: Scheme, target: Scheme) -> None:
    converted = schemes.convert(WRITTEN[source.name].split(), target)
    assert converted == schemes.encode(readable(source, RICH), N_RICH, target)


@all_schemes
@given(st.lists(annotated(), max_size=5))
@quick
def test_detect_finds_the_scheme_or_one_that_writes_the_same(
    scheme: Scheme, data: list[tuple[list[Span], int]]
) -> None:
    encoded = [schemes.encode(spans, n_words, scheme) for spans, n_words in data]
    found, n_violations = schemes.detect(encoded)
    assert n_violations == 0
    assert [schemes.convert(tags, found) for tags in encoded] == encoded


@all_schemes
@pytest.mark.parametrize("position", range(N_RICH))
@pytest.mark.parametrize("damage", ["I-LOC", "O", "B-PER"])
def test_detect_finds_the_scheme_in_spite_of_violations(
    scheme: Scheme, position: int, damage: str
) -> None:
    good = WRITTEN[scheme.name].split()
    bad = [*good[:position], damage, *good[position + 1 :]]
    found, n_violations = schemes.detect([good] * 10 + [bad])
    # A single B- tells IOB1 from IO, which has no such letter.
    assert found.name == ("IOB1" if scheme.name == "IO" and damage == "B-PER" else scheme.name)
    assert n_violations <= 2


def test_detect_prefers_iob2_where_nothing_is_tagged() -> None:
    assert schemes.detect([["O", "O"], []]) == (SCHEMES["IOB2"], 0)


def small_tag_set(scheme: Scheme) -> list[str]:
    return schemes.tag_set(["PER", "LOC"], scheme)


@all_schemes
@given(annotated())
@quick
def test_transitions_allow_whatever_encode_writes(
    scheme: Scheme, data: tuple[list[Span], int]
) -> None:
    spans, n_words = data
    tags = schemes.tag_set(["PER", "LOC", "A-B"], scheme)
    rows = [tags.index(tag) for tag in schemes.encode(spans, n_words, scheme)]
    table = schemes.transitions(tags, scheme)
    assert table.allowed[rows[:-1], rows[1:]].all()
    assert table.start[rows[:1]].all()
    assert table.end[rows[-1:]].all()


@all_schemes
def test_whatever_transitions_allow_is_what_encode_writes(scheme: Scheme) -> None:
    tags = small_tag_set(scheme)
    table = schemes.transitions(tags, scheme)
    allowed, start, end = table.allowed.tolist(), table.start.tolist(), table.end.tolist()
    n_valid = 0
    for length in range(1, 5):
        for rows in product(range(len(tags)), repeat=length):
            sequence = [tags[row] for row in rows]
            valid = start[rows[0]] and end[rows[-1]]
            valid = valid and all(allowed[a][b] for a, b in pairwise(rows))
            n_valid += valid
            assert valid == (schemes.convert(sequence, scheme) == sequence), sequence
    assert n_valid > 3**4


@all_schemes
def test_continues_marks_the_pairs_inside_one_entity(scheme: Scheme) -> None:
    tags = small_tag_set(scheme)
    table = schemes.transitions(tags, scheme)
    for (i, before), (j, after) in product(enumerate(tags), repeat=2):
        assert table.continues[i, j] == (schemes.decode([before, after]) == [(0, 2, before[2:])])


def test_without_a_scheme_every_transition_is_allowed() -> None:
    table = schemes.transitions(["O", "B-PER", "U-LOC", "E-ORG"], None)
    assert table.allowed.all()
    assert table.start.all()
    assert table.end.all()
    assert table.allowed.dtype == table.continues.dtype == np.bool_


def seqeval_entities(tags: list[str]) -> list[Span]:
    found: list[Any] = get_entities(tags)
    return [(start, end + 1, label) for label, start, end in found]


@given(any_tags("BIES"))
@settings(deadline=None, max_examples=500)
def test_decode_reads_any_sequence_as_seqeval_does(tags: list[str]) -> None:
    assert schemes.decode(tags) == seqeval_entities(tags)


@pytest.mark.parametrize("name", ["IOB2", "IO", "IOB1", "IOE2", "IOE1", "IOBES"])
@given(annotated())
@quick
def test_decode_reads_valid_sequences_as_seqeval_does(
    name: str, data: tuple[list[Span], int]
) -> None:
    tags = schemes.encode(*data, SCHEMES[name])
    assert schemes.decode(tags) == seqeval_entities(tags)


@given(any_tags("BIES"))
@quick
def test_the_letters_of_bilou_and_bmes_are_read_as_those_of_iobes(tags: list[str]) -> None:
    for letters in (str.maketrans("ES", "LU"), str.maketrans("I", "M")):
        spelled = [tag[0].translate(letters) + tag[1:] for tag in tags]
        assert schemes.decode(spelled) == schemes.decode(tags)


def test_tag_sets_and_labels() -> None:
    tags = schemes.tag_set(["PER", "LOC"], SCHEMES["IOB2"])
    assert " ".join(tags) == "O B-PER I-PER B-LOC I-LOC"
    for scheme in SCHEMES.values():
        assert schemes.labels_of(schemes.tag_set(["PER", "LOC"], scheme)) == ["LOC", "PER"]
        assert schemes.scheme_named(scheme.name.lower()) is scheme


def test_a_label_may_hold_dashes() -> None:
    assert schemes.split_tag("B-A-B") == ("B", "A-B")


@pytest.mark.parametrize(
    ("tag", "message"),
    [
        ("X-PER", "unknown prefix"),
        ("PER", "unknown prefix"),
        ("", "unknown prefix"),
        ("b-PER", "unknown prefix"),
        ("B-", "prefix without a label"),
        ("B", "prefix without a label"),
        ("I_PER", "unknown prefix"),
    ],
)
def test_a_tag_of_no_scheme_is_refused(tag: str, message: str) -> None:
    assert not schemes.is_tag(tag)
    with pytest.raises(TagError, match=f"'{tag}' has an? {message}"):
        schemes.decode(["O", tag])


def test_an_unknown_scheme_is_refused_with_the_names_of_all() -> None:
    with pytest.raises(TagError, match=r"'BIO'; expected one of IOB2, .*BMES"):
        schemes.scheme_named("BIO")


def test_a_tag_of_another_scheme_has_no_transitions() -> None:
    with pytest.raises(TagError, match="'S-PER' is none of the scheme IOB2"):
        schemes.transitions(["O", "S-PER"], SCHEMES["IOB2"])


@pytest.mark.parametrize(
    ("spans", "message"),
    [
        ([(0, 2, "PER"), (1, 3, "LOC")], "share a word"),
        ([(0, 1, "PER"), (0, 1, "PER")], "share a word"),
        ([(0, 3, "PER"), (1, 2, "LOC")], "share a word"),
        ([(2, 4, "PER")], "leaves a sentence of 3 words"),
        ([(-1, 1, "PER")], "leaves a sentence of 3 words"),
        ([(1, 1, "PER")], "leaves a sentence of 3 words"),
    ],
)
def test_entities_that_overlap_or_leave_the_sentence_are_refused(
    spans: list[Span], message: str
) -> None:
    with pytest.raises(TagError, match=message):
        schemes.encode(spans, 3, SCHEMES["IOB2"])
