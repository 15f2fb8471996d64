"""Viterbi and posteriors against all tag sequences written out."""

from __future__ import annotations

from functools import cache
from itertools import pairwise, product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from nertune import schemes
from nertune.decoding import Decoder, cross_entropy, log_softmax
from nertune.encoding import NEVER
from nertune.errors import TagError

quick = settings(deadline=None, max_examples=40)

# Scheme, labels, and a number of words at which all sequences can still be written out.
SMALL = [
    ("IOB2", ("A", "B"), 4),
    ("IOB1", ("A", "B"), 4),
    ("IOE2", ("A", "B"), 4),
    ("IOE1", ("A",), 5),
    ("IO", ("A", "B"), 4),
    ("IOBES", ("A",), 4),
    ("IOBES", ("A", "B"), 3),
    ("BILOU", ("A",), 4),
    ("BMES", ("A",), 4),
    (None, ("A", "B"), 3),
]
small = pytest.mark.parametrize(
    ("scheme", "labels", "n_words"), SMALL, ids=[f"{name}-{len(ls)}" for name, ls, _ in SMALL]
)


def decoder_of(scheme: str | None, labels: tuple[str, ...], temperature: float = 1) -> Decoder:
    known = schemes.SCHEMES[scheme] if scheme else None
    tags = schemes.tag_set(labels, known or schemes.SCHEMES["IOB1"])
    return Decoder(tuple(tags), known, temperature)


@cache
def allowed_sequences(scheme: str | None, tags: tuple[str, ...], n: int) -> list[tuple[int, ...]]:
    """The sequences that spell exactly their own entities in the scheme: all others break it."""
    return [
        ids
        for ids in product(range(len(tags)), repeat=n)
        if scheme is None or spelled_by_the_scheme([tags[i] for i in ids], scheme)
    ]


def spelled_by_the_scheme(tags: list[str], scheme: str) -> bool:
    return schemes.convert(tags, schemes.SCHEMES[scheme]) == tags


def total(emissions: np.ndarray, ids: tuple[int, ...]) -> float:
    return float(emissions.astype(np.float64)[np.arange(len(ids)), list(ids)].sum())


def draw_emissions(data: st.DataObject, n_words: int, n_tags: int) -> np.ndarray:
    values = st.floats(-8, 8, width=32)
    return data.draw(arrays.arrays(np.float32, (n_words, n_tags), elements=values))


@small
@quick
@given(data=st.data())
def test_best_tags_are_the_best_of_all_allowed_sequences(
    scheme: str | None, labels: tuple[str, ...], n_words: int, data: st.DataObject
) -> None:
    decoder = decoder_of(scheme, labels)
    n = data.draw(st.integers(1, n_words))
    emissions = draw_emissions(data, n, len(decoder.tags))
    found = tuple(decoder.best_tags(emissions, np.array([0, n])).tolist())
    allowed = allowed_sequences(scheme, decoder.tags, n)
    assert found in allowed
    best = max(total(emissions, ids) for ids in allowed)
    assert total(emissions, found) == pytest.approx(best, abs=1e-6)


@small
@quick
@given(data=st.data())
def test_entity_scores_are_the_share_of_sequences_that_hold_the_entity(
    scheme: str | None, labels: tuple[str, ...], n_words: int, data: st.DataObject
) -> None:
    decoder = decoder_of(scheme, labels, data.draw(st.sampled_from([0.5, 1, 2.5])))
    n = data.draw(st.integers(1, n_words))
    emissions = draw_emissions(data, n, len(decoder.tags))
    tag_ids = decoder.best_tags(emissions, np.array([0, n]))
    scores = decoder.entity_scores(emissions, tag_ids, np.array([0, n]))
    spans = schemes.decode([decoder.tags[i] for i in tag_ids])
    assert len(scores) == 1
    assert scores[0] == pytest.approx(posteriors(decoder, scheme, emissions, spans), abs=1e-9)
    assert all(0 <= score <= 1 for score in scores[0])


def posteriors(
    decoder: Decoder, scheme: str | None, emissions: np.ndarray, spans: list[schemes.Span]
) -> list[float]:
    scaled = emissions.astype(np.float64) / decoder.temperature
    allowed = allowed_sequences(scheme, decoder.tags, len(emissions))
    logs = np.array([total(scaled, ids) for ids in allowed])
    weights = np.exp(logs - logs.max())
    readings = [schemes.decode([decoder.tags[i] for i in ids]) for ids in allowed]
    return [
        float(weights[[span in reading for reading in readings]].sum() / weights.sum())
        for span in spans
    ]


@quick
@given(st.data(), st.sampled_from([0.005, 0.02, 0.1, 50.0]))
def test_entity_scores_hold_at_any_temperature(data: st.DataObject, temperature: float) -> None:
    decoder = decoder_of("IOB2", ("A", "B"), temperature)
    emissions = draw_emissions(data, 3, len(decoder.tags))
    edges = np.array([0, 3])
    tag_ids = decoder.best_tags(emissions, edges)
    assert tag_ids.tolist() == decoder_of("IOB2", ("A", "B")).best_tags(emissions, edges).tolist()
    spans = schemes.decode([decoder.tags[i] for i in tag_ids])
    expected = posteriors(decoder, "IOB2", emissions, spans)
    # Where scores are divided by 0.005, single precision of the emissions is all there is.
    assert decoder.entity_scores(emissions, tag_ids, edges)[0] == pytest.approx(expected, abs=1e-6)


def test_a_low_temperature_does_not_lose_a_beginning_that_looks_hopeless() -> None:
    decoder = decoder_of("IOB2", ("A",), 0.01)
    emissions = np.array([[10, 0, 0], [0, 0, 50]], np.float32)  # B-A is e^1000 less likely than O
    tag_ids = decoder.best_tags(emissions, np.array([0, 2]))
    assert [decoder.tags[i] for i in tag_ids] == ["B-A", "I-A"]
    assert decoder.entity_scores(emissions, tag_ids, np.array([0, 2])) == [[1.0]]


@quick
@given(st.data())
def test_scores_of_rival_readings_add_up_to_no_more_than_1(data: st.DataObject) -> None:
    decoder = decoder_of("IOBES", ("A", "B"))
    emissions = draw_emissions(data, 3, len(decoder.tags))
    rivals = [(first, last, label) for first in (0, 1) for last in (2, 3) for label in "AB"]
    scores = []
    for span in rivals:  # every one of them holds word 1
        tags = schemes.encode([span], 3, schemes.SCHEMES["IOBES"])
        ids = np.array([decoder.tags.index(tag) for tag in tags])
        scores += decoder.entity_scores(emissions, ids, np.array([0, 3]))[0]
    assert len(scores) == len(rivals)
    assert sum(scores) <= 1 + 1e-9


@quick
@given(st.data(), st.lists(st.integers(1, 5), max_size=6))
def test_each_sentence_is_decoded_as_if_it_were_alone(
    data: st.DataObject, lengths: list[int]
) -> None:
    decoder = decoder_of("IOBES", ("A", "B"))
    edges = np.cumsum([0, *lengths])
    emissions = draw_emissions(data, int(edges[-1]), len(decoder.tags))
    tag_ids = decoder.best_tags(emissions, edges)
    scores = decoder.entity_scores(emissions, tag_ids, edges)
    assert len(tag_ids) == edges[-1]
    assert len(scores) == len(lengths)
    for i, length in enumerate(lengths):
        own = emissions[edges[i] : edges[i + 1]]
        alone = decoder.best_tags(own, np.array([0, length]))
        assert alone.tolist() == tag_ids[edges[i] : edges[i + 1]].tolist()
        [own_scores] = decoder.entity_scores(own, alone, np.array([0, length]))
        assert own_scores == pytest.approx(scores[i], abs=1e-12)


@quick
@given(st.data(), st.integers(0, 8))
def test_without_a_scheme_each_word_gets_its_own_best_tag(data: st.DataObject, n: int) -> None:
    decoder = decoder_of(None, ("A", "B"))
    emissions = draw_emissions(data, n, len(decoder.tags))
    assert decoder.best_tags(emissions, np.array([0, n])).tolist() == emissions.argmax(1).tolist()


def test_a_long_sentence_is_decoded_as_exactly_as_a_short_one() -> None:
    decoder = decoder_of("IOB2", ("A",))
    emissions = np.tile(np.array([100, 100.01, -100], np.float32), (20_000, 1))
    emissions[0, 2] = 200  # forbidden at the start: the whole sentence needs Viterbi
    found = decoder.best_tags(emissions, np.array([0, len(emissions)]))
    assert set(found.tolist()) == {decoder.tags.index("B-A")}


def test_a_word_that_can_only_be_outside_is_outside() -> None:
    decoder = decoder_of("IOB2", ("A",))
    emissions = np.array([[0, 9, 0], [0, NEVER, NEVER], [0, 0, 9]], np.float32)
    edges = np.array([0, 3])
    tag_ids = decoder.best_tags(emissions, edges)
    assert [decoder.tags[i] for i in tag_ids] == ["B-A", "O", "O"]
    [scores] = decoder.entity_scores(emissions, tag_ids, edges)
    assert scores == pytest.approx(posteriors(decoder, "IOB2", emissions, [(0, 1, "A")]))


def test_entities_have_scores_where_the_tags_hold_no_o() -> None:
    decoder = Decoder(("B-A", "I-A", "B-B"), None)
    emissions = np.array([[2, 0, 0], [0, 3, 0]], np.float32)
    edges = np.array([0, 2])
    tag_ids = decoder.best_tags(emissions, edges)
    expected = posteriors(decoder, None, emissions, [(0, 2, "A")])
    assert decoder.entity_scores(emissions, tag_ids, edges)[0] == pytest.approx(expected)


def test_tags_that_allow_no_sequence_at_all_get_the_least_bad_one_and_no_probability() -> None:
    decoder = Decoder(("B-A", "I-A"), schemes.SCHEMES["IOBES"])
    emissions = np.array([[1, 2]], np.float32)
    edges = np.array([0, 1])
    tag_ids = decoder.best_tags(emissions, edges)
    assert tag_ids.tolist() == [0]  # I- may neither begin nor end: two faults against one
    assert decoder.entity_scores(emissions, tag_ids, edges) == [[0.0]]


def test_tags_of_another_scheme_are_refused() -> None:
    with pytest.raises(TagError, match="'S-A' is none of the scheme IOB2"):
        Decoder(("O", "S-A"), schemes.SCHEMES["IOB2"])


def test_no_words_have_no_tags_and_no_scores() -> None:
    decoder = decoder_of("IOB2", ("A",))
    empty, edges = np.zeros((0, 3), np.float32), np.array([0])
    tag_ids = decoder.best_tags(empty, edges)
    assert len(tag_ids) == 0
    assert decoder.entity_scores(empty, tag_ids, edges) == []
    assert cross_entropy(empty, []) == 0


@quick
@given(st.data(), st.integers(1, 8), st.integers(1, 5))
def test_cross_entropy_is_that_of_torch(data: st.DataObject, n: int, n_tags: int) -> None:
    emissions = draw_emissions(data, n, n_tags)
    gold = data.draw(st.lists(st.integers(0, n_tags - 1), min_size=n, max_size=n))
    logits = torch.from_numpy(emissions).double()
    expected = torch.nn.functional.cross_entropy(logits, torch.tensor(gold), reduction="sum")
    assert cross_entropy(emissions, gold) == pytest.approx(expected.item(), abs=1e-9)
    np.testing.assert_allclose(log_softmax(emissions), logits.log_softmax(-1).numpy(), atol=1e-12)


@small
@quick
@given(data=st.data())
def test_word_probabilities_are_the_share_of_sequences_with_that_tag_there(
    scheme: str | None, labels: tuple[str, ...], n_words: int, data: st.DataObject
) -> None:
    decoder = decoder_of(scheme, labels, data.draw(st.sampled_from([0.5, 1, 2.5])))
    n = data.draw(st.integers(1, n_words))
    emissions = draw_emissions(data, n, len(decoder.tags))
    scaled = emissions.astype(np.float64) / decoder.temperature
    allowed = allowed_sequences(scheme, decoder.tags, n)
    logs = np.array([total(scaled, ids) for ids in allowed])
    weights = np.exp(logs - logs.max())
    expected = np.zeros(emissions.shape)
    for ids, weight in zip(allowed, weights / weights.sum(), strict=True):
        expected[np.arange(n), list(ids)] += weight
    found = decoder.word_probabilities(emissions, np.array([0, n]))
    np.testing.assert_allclose(found, expected, atol=1e-9)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-9)


@quick
@given(st.data(), st.lists(st.integers(0, 5), max_size=6))
def test_word_probabilities_of_each_sentence_are_those_it_has_alone(
    data: st.DataObject, lengths: list[int]
) -> None:
    decoder = decoder_of("IOBES", ("A", "B"))
    edges = np.cumsum([0, *lengths])
    emissions = draw_emissions(data, int(edges[-1]), len(decoder.tags))
    found = decoder.word_probabilities(emissions, edges)
    assert found.shape == emissions.shape
    for start, end in pairwise(edges):
        alone = decoder.word_probabilities(emissions[start:end], np.array([0, end - start]))
        np.testing.assert_allclose(found[start:end], alone, atol=1e-12)


def test_a_tag_that_the_scheme_forbids_has_no_probability() -> None:
    decoder = decoder_of("IOB2", ("A",))
    emissions = np.zeros((2, 3), np.float32)
    emissions[0, decoder.tags.index("I-A")] = 50
    found = decoder.word_probabilities(emissions, np.array([0, 2]))
    assert found[0, decoder.tags.index("I-A")] == 0
    assert found[1, decoder.tags.index("I-A")] == pytest.approx(1 / 5)
