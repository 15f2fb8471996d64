"""A tagger scored on annotated text: the same numbers as by way of documents, also in shares."""

from __future__ import annotations

import numpy as np
import pytest

from nertune import schemes
from nertune.bundle import TaggerSettings
from nertune.config import ReadSettings, WindowSettings
from nertune.decoding import log_softmax
from nertune.encoding import normalise_tokenizer
from nertune.engine import Tagger
from nertune.errors import DataError
from nertune.evaluation import GoldScorer, Scored, add_shares, evaluate_file
from nertune.scoring import score
from nertune.splits import load_gold

IOB2 = schemes.SCHEMES["IOB2"]


@pytest.fixture(scope="module")
def tagger() -> Tagger:
    from nertune.testing import FakeRuntime, tiny_tokenizer

    tags = tuple(schemes.tag_set(("LOC", "PER"), IOB2))
    settings = TaggerSettings(tags=tags, scheme="IOB2", window=WindowSettings(pieces=32))
    return Tagger(FakeRuntime(len(tags)), settings, normalise_tokenizer(tiny_tokenizer()))


@pytest.fixture(scope="module")
def scored(tagger, tiny) -> Scored:
    return evaluate_file(tagger, tiny.test).scored


def test_scores_are_those_of_the_predicted_documents(tagger, tiny, scored):
    gold = load_gold("test", [str(tiny.test)], ReadSettings(), IOB2)
    predicted = list(tagger.tag(gold.documents))
    expected = score(
        [tags for document in gold.documents for tags in document.sentence_tags()],
        [tags for document in predicted for tags in document.sentence_tags()],
    )
    assert scored.scores == expected
    assert expected.micro.predicted > 0
    tags = tagger.settings.tags
    assert [tags[i] for i in scored.tag_ids] == [t for d in predicted for t in d.tags or ()]


def test_the_loss_is_the_mean_negative_log_probability_of_the_gold(tagger, tiny, scored):
    gold = load_gold("test", [str(tiny.test)], ReadSettings(), IOB2)
    emissions = tagger.emissions(tagger.encoder.encode(gold.documents))
    ids = [tagger.settings.tags.index(tag) for tag in gold.tags]
    expected = -log_softmax(emissions)[np.arange(len(ids)), ids].mean()
    assert scored.mean_loss == pytest.approx(expected, rel=1e-12)
    assert scored.n_known == len(gold.tags) == gold.facts.words


@pytest.mark.parametrize("n_processes", [2, 3, 5, 100])
def test_shares_add_up_to_the_whole(tagger, tiny, scored, n_processes):
    gold = load_gold("test", [str(tiny.test)], ReadSettings(), IOB2)
    shares = [
        GoldScorer(gold, tagger.encoder, tagger.settings.tags, (i, n_processes))(tagger)
        for i in range(n_processes)
    ]
    whole = add_shares(gold, shares)
    assert whole.scores == scored.scores
    assert (whole.tag_ids == scored.tag_ids).all()
    assert whole.n_known == scored.n_known
    assert whole.loss == pytest.approx(scored.loss, rel=1e-12)


def test_a_label_the_model_lacks_counts_as_missed_but_not_in_the_loss(tagger, tmp_path):
    path = tmp_path / "file.conll"
    path.write_text("The B-MISC\nfox I-MISC\nmet O\nAda B-PER\n", encoding="utf-8")
    evaluated = evaluate_file(tagger, path)
    scored, gold = evaluated.scored, evaluated.gold
    assert scored.scores.labels["MISC"].gold == 1
    assert scored.scores.labels["MISC"].correct == 0
    assert scored.scores.micro.gold == 2
    assert scored.n_known == 2
    assert gold.facts.labels == {"MISC": 1, "PER": 1}


def test_a_word_without_pieces_counts_as_missed_but_not_in_the_loss(tagger, tmp_path):
    path = tmp_path / "file.conll"
    path.write_text("The O\n\u0007 B-PER\n", encoding="utf-8")
    scored = evaluate_file(tagger, path).scored
    assert scored.scores.labels["PER"].gold == 1
    assert scored.n_known == 1
    assert scored.mean_loss < 20  # no model that was trained on pieces can get this word right


def test_gold_of_another_scheme_gives_the_same_score(tagger, tiny, tmp_path, scored):
    lines = []
    for document in load_gold("test", [str(tiny.test)], ReadSettings(), IOB2).documents:
        lines += ["-DOCSTART- O", ""]
        tags = document.tags_in(schemes.SCHEMES["IOB1"])
        for start, end in document.sentences:
            rows = zip(document.words[start:end], tags[start:end], strict=True)
            lines += [*map(" ".join, rows), ""]
    path = tmp_path / "iob1.conll"
    path.write_text("\n".join(lines), encoding="utf-8")
    evaluated = evaluate_file(tagger, path)
    found, gold = evaluated.scored, evaluated.gold
    assert gold.facts.scheme.name in ("IOB1", "IO")  # no two names touch
    assert found.scores == scored.scores


def test_faults_of_the_file_are_those_of_reading(tagger, tmp_path):
    path = tmp_path / "file.conll"
    path.write_text("a O\nb\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"file\.conll:2: 1 column in 'b'"):
        evaluate_file(tagger, path)
    evaluated = evaluate_file(tagger, path, ReadSettings(on_error="repair"))
    found, gold = evaluated.scored, evaluated.gold
    assert found.scores.n_words == 2
    assert not gold.facts.report.clean
