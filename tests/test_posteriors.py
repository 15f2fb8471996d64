"""Sums over all tag sequences: long sentences, many tags, and blocks of sentences."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nertune import posteriors, schemes
from nertune.decoding import Decoder
from nertune.posteriors import log_dot, log_sum

quick = settings(deadline=None, max_examples=30)


def decoder_with(n_labels: int, scheme: str = "IOBES") -> Decoder:
    labels = [f"L{i}" for i in range(n_labels)]
    return Decoder(tuple(schemes.tag_set(labels, schemes.SCHEMES[scheme])), schemes.SCHEMES[scheme])


def emissions_of(n_words: int, decoder: Decoder, scale: float = 4, seed: int = 0) -> np.ndarray:
    draw = np.random.default_rng(seed)
    return (draw.normal(size=(n_words, len(decoder.tags))) * scale).astype(np.float32)


def test_probabilities_of_a_long_sentence_with_many_tags_are_those_of_its_part():
    decoder = decoder_with(15)
    assert len(decoder.tags) == 61
    emissions = emissions_of(5_000, decoder)
    emissions[::50] = -100  # here a sentence of its own could begin: nothing reaches across an O
    emissions[::50, decoder.outside] = 100
    found = decoder.word_probabilities(emissions, np.array([0, 5_000]))
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-9)
    assert (found >= 0).all()
    assert np.isfinite(found).all()
    part = decoder.word_probabilities(emissions[2500:2551], np.array([0, 51]))
    np.testing.assert_allclose(found[2500:2551], part, atol=1e-9)


@pytest.mark.parametrize("scale", [0.01, 30, 2000])
def test_no_scale_of_scores_loses_all_weight(scale):
    decoder = decoder_with(3)
    emissions = emissions_of(2_000, decoder, scale)
    edges = np.array([0, 2_000])
    found = decoder.word_probabilities(emissions, edges)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-6)
    tag_ids = decoder.best_tags(emissions, edges)
    [scores] = decoder.entity_scores(emissions, tag_ids, edges)
    assert scores
    assert all(0 < score <= 1 for score in scores)


@quick
@given(
    st.lists(st.integers(0, 12), max_size=12),
    st.integers(1, 300),
    st.sampled_from([0.5, 1.0, 3.0]),
    st.integers(0, 1000),
)
def test_borders_of_blocks_change_nothing(lengths, block, temperature, seed):
    scheme = schemes.SCHEMES["IOB2"]
    decoder = Decoder(tuple(schemes.tag_set(("A", "B"), scheme)), scheme, temperature)
    edges = np.cumsum([0, *lengths])
    emissions = emissions_of(int(edges[-1]), decoder, seed=seed)
    tag_ids = decoder.best_tags(emissions, edges)
    expected = (
        decoder.word_probabilities(emissions, edges),
        decoder.entity_scores(emissions, tag_ids, edges),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(posteriors, "_BLOCK", block)
        np.testing.assert_allclose(
            decoder.word_probabilities(emissions, edges), expected[0], atol=1e-12
        )
        for mine, others in zip(
            decoder.entity_scores(emissions, tag_ids, edges), expected[1], strict=True
        ):
            assert mine == pytest.approx(others, abs=1e-12)


def test_blocks_hold_every_sentence_once_and_keep_to_their_size(monkeypatch):
    monkeypatch.setattr(posteriors, "_BLOCK", 400)
    decoder = decoder_with(1, "IOB2")
    lengths = np.array([1, 200, 3, 3, 3, 40, 7, 1, 1, 90])
    edges = np.concatenate([[0], np.cumsum(lengths)])
    emissions = emissions_of(int(edges[-1]), decoder)
    places = np.arange(len(lengths))
    found = list(posteriors.blocks(emissions, edges, places, decoder.tables))
    held = np.concatenate([block.sentences for block in found])
    assert sorted(held.tolist()) == places.tolist()
    for block in found:
        assert block.emissions.size <= 400 or len(block.sentences) == 1
        assert (block.lengths == lengths[block.sentences]).all()
    assert len(found) > 2
    assert not list(posteriors.blocks(emissions, edges, places[:0], decoder.tables))


def test_sentences_of_very_different_lengths_do_not_fill_memory():
    decoder = decoder_with(15)
    edges = np.cumsum([0, *([2] * 3000), 4000])
    emissions = emissions_of(int(edges[-1]), decoder)
    places = np.arange(len(edges) - 1)
    sizes = [b.emissions.size for b in posteriors.blocks(emissions, edges, places, decoder.tables)]
    assert max(sizes) <= max(posteriors._BLOCK, 4000 * 61)
    assert sum(sizes) < 1.5 * emissions.size


@quick
@given(st.lists(st.floats(-2000, 2000), min_size=3, max_size=3), st.integers(0, 511))
def test_sums_in_log_space_lose_nothing(weights, bits):
    allowed = (np.arange(9).reshape(3, 3) >= 0) & ((bits >> np.arange(9)) & 1).reshape(3, 3).astype(
        bool
    )
    row = np.array([weights])
    terms = np.where(allowed.T, row, -np.inf)
    expected = np.logaddexp.reduce(terms, axis=1)
    np.testing.assert_allclose(log_dot(row, allowed)[0], expected, atol=1e-9)
    assert log_sum(row)[0] == pytest.approx(np.logaddexp.reduce(row[0]), abs=1e-9)


def test_a_sum_of_nothing_is_log_of_zero():
    nothing = np.full((2, 3), -np.inf)
    assert np.isneginf(log_sum(nothing)).all()
    assert np.isneginf(log_dot(nothing, np.ones((3, 3), bool))).all()
