"""The tagger: every word of every document, in order, alone or in company."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nertune import Document, Tagger, schemes
from nertune.bundle import TaggerSettings, load_bundle
from nertune.config import WindowSettings
from nertune.decoding import Decoder
from nertune.encoding import Encoder, normalise_tokenizer
from nertune.errors import BundleError, DependencyError, DocumentError
from nertune.model import load_model
from nertune.runtimes.torch import TorchRuntime
from nertune.testing import TEXT, FakeRuntime, tiny_bundle, tiny_tokenizer

quick = settings(deadline=None, max_examples=40)
all_families = pytest.mark.parametrize(
    "family", ["bert", "roberta", "modernbert", "unigram"]
)

ODD = ("\n", "\u0007", "é", "🙂", "\u00a0", "\u200b", "e\u0301")
texts = st.one_of(
    st.text(max_size=80),
    st.lists(st.sampled_from([*" ".join(TEXT).split(), *ODD])).map(" ".join),
)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("taggers")
    window = WindowSettings(pieces=24, context=1)
    return {
        family: tiny_bundle(
            root / family, family, window=window, shapes=family != "modernbert"
        )
        for family in ("bert", "roberta", "modernbert", "unigram")
    }


@pytest.fixture(scope="module")
def load(folders: dict[str, Path]) -> Callable[[str], Tagger]:
    return cache(lambda family: Tagger.load(folders[family], device="cpu"))


def scripted(
    script: Callable[[Any], Any] | None = None, workers: int = 1, **window: int
) -> Tagger:
    """A tagger without a network; tags O, B-LOC, I-LOC, B-PER, I-PER."""
    tags = tuple(schemes.tag_set(["LOC", "PER"], schemes.SCHEMES["IOB2"]))
    chosen = TaggerSettings(tags=tags, scheme="IOB2", window=WindowSettings(**window))
    runtime = FakeRuntime(len(tags), script, workers)
    return Tagger(runtime, chosen, normalise_tokenizer(tiny_tokenizer()))


def lisbon_is_a_place(ids: Any) -> Any:
    """B-LOC for the first piece of `Lisbon`, O for everything else."""
    piece = tiny_tokenizer().encode("Lisbon").ids[1]
    return np.eye(5, dtype=np.float32)[(ids == piece).astype(int)] * 20


# --- entities ---


@all_families
@quick
@given(text=texts)
def test_offsets_of_any_text_are_those_of_its_entities(
    load: Callable[[str], Tagger], family: str, text: str
) -> None:
    last = 0
    for entity in load(family)(text):
        assert text[entity.start : entity.end] == entity.text
        assert entity.text == entity.text.strip() != ""
        assert entity.label in ("LOC", "PER")
        assert entity.score is not None
        assert 0 <= entity.score <= 1
        assert entity.start >= last
        last = entity.end


@all_families
@quick
@given(several=st.lists(texts, min_size=1, max_size=6))
def test_a_document_alone_gets_what_it_gets_in_a_batch(
    load: Callable[[str], Tagger], family: str, several: list[str]
) -> None:
    tagger = load(family)
    together = list(tagger.tag(Document.from_text(text, id=text) for text in several))
    assert [document.id for document in together] == several
    for text, document in zip(several, together, strict=True):
        alone = tagger(text)
        assert [(e.start, e.end, e.label) for e in alone] == [
            (e.start, e.end, e.label) for e in document.entities
        ]
        assert [e.score for e in alone] == pytest.approx(
            [e.score for e in document.entities], abs=1e-5
        )


@all_families
def test_tags_are_those_of_the_network_word_by_word(
    folders: dict[str, Path], load: Callable[[str], Tagger], family: str
) -> None:
    words = ["Ada", "Lovelace", "visited", "Málaga"]
    [found] = load(family).tag([Document.from_words(words)])
    bundle = load_bundle(folders[family])
    encoder = Encoder(bundle.tokenizer, bundle.settings.window, bundle.settings.shapes)
    encoded = encoder.encode([Document.from_words(words)])
    logits = TorchRuntime(load_model(bundle)).logits(encoder.pad(encoded, [0]))[0]
    emissions = logits[encoded.word_piece]
    decoder = Decoder(bundle.settings.tags, schemes.SCHEMES["IOB2"])
    expected = decoder.best_tags(emissions, np.array([0, 4]))
    assert found.tags == tuple(bundle.settings.tags[i] for i in expected)
    [scores] = decoder.entity_scores(emissions, expected, np.array([0, 4]))
    assert [e.score for e in found.entities] == pytest.approx(scores, abs=1e-5)


def test_entities_come_with_their_place_in_the_callers_own_text() -> None:
    text = "  They met\tin\u00a0«Lisbon», they\nLisbon"
    first, second = scripted(lisbon_is_a_place)(text)
    assert (first.start, first.end) == (15, 21)
    assert (second.start, second.end) == (len(text) - 6, len(text))
    assert {first.text, second.text} == {"Lisbon"}
    assert first.score == pytest.approx(1, abs=1e-6)


def test_predictions_take_the_place_of_what_the_document_had() -> None:
    gold = Document.from_words(["Lisbon", "met", "Ada"], ["O", "O", "B-PER"], id="x")
    [found] = scripted(lisbon_is_a_place).tag([gold])
    assert found.tags == ("B-LOC", "O", "O")
    assert [(e.text, e.label) for e in found.entities] == [("Lisbon", "LOC")]
    assert (found.text, found.word_spans, found.id) == (gold.text, gold.word_spans, "x")
    assert gold.tags == ("O", "O", "B-PER")


def test_raw_text_and_its_words_get_the_same(load: Callable[[str], Tagger]) -> None:
    text = "\n".join(TEXT)
    tagger = load("bert")
    [raw] = tagger.tag([Document.from_text(text)])
    [again] = tagger.tag([raw])
    assert raw == again
    assert raw.entities


@pytest.mark.parametrize("batch_pieces", [1, 24, 10_000])
def test_the_budget_of_a_batch_changes_nothing(
    folders: dict[str, Path], load: Callable[[str], Tagger], batch_pieces: int
) -> None:
    bundle = load_bundle(folders["bert"])
    runtime = TorchRuntime(load_model(bundle))
    tagger = Tagger(runtime, bundle.settings, bundle.tokenizer, batch_pieces)
    documents = [Document.from_words(text.split()) for text in TEXT]
    for mine, expected in zip(tagger.tag(documents), load("bert").tag(documents), strict=True):
        assert mine.tags == expected.tags


def test_batches_keep_to_the_budget() -> None:
    tagger = scripted(pieces=16)
    tagger.batch_pieces = 40
    list(tagger.tag([Document.from_words(" ".join(TEXT).split())] * 3))
    assert all(rows * columns <= 40 for rows, columns in tagger.runtime.batches)
    assert len(tagger.runtime.batches) > 1


# --- streams ---


def counted(documents: Iterator[Document], taken: list[int]) -> Iterator[Document]:
    for document in documents:
        taken.append(document.n_words)
        yield document


@pytest.mark.parametrize(("workers", "ahead"), [(1, 0), (3, 1)])
def test_a_stream_is_read_no_further_than_needed(workers: int, ahead: int) -> None:
    taken: list[int] = []
    document = Document.from_words(["fox"] * 20_000, sentences=[(0, 10_000), (10_000, 20_000)])
    found = scripted(workers=workers).tag(counted(iter([document] * 5), taken))
    assert taken == []
    for n in range(1, 6):
        next(found)
        assert len(taken) == min(5, n + ahead)
    assert list(found) == []


def test_the_first_entities_of_a_long_stream_come_after_few_words() -> None:
    taken: list[int] = []
    document = Document.from_words(["fox"] * 10)
    next(scripted().tag(counted(iter([document] * 5000), taken)))
    assert sum(taken) <= 2000


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_workers_change_nothing(workers: int) -> None:
    documents = [Document.from_words(" ".join(TEXT).split() * n) for n in (1, 30, 0, 7, 200)]
    expected = list(scripted().tag(documents))
    assert list(scripted(workers=workers).tag(documents)) == expected


def test_a_runtime_that_fails_ends_the_stream_with_its_error() -> None:
    def broken(_: Any) -> Any:
        raise BundleError("no")

    with pytest.raises(BundleError, match="no"):
        list(scripted(broken, workers=3).tag([Document.from_words(["fox"])] * 5000))


def test_a_stream_may_be_left_before_its_end() -> None:
    documents = (Document.from_words(["fox"] * 100) for _ in range(100_000))
    with closing(scripted(workers=2).tag(documents)) as found:
        next(found)
    assert len(list(islice(documents, 1))) == 1, "the rest was not read"


def test_a_stream_of_empty_texts_is_not_gathered_up() -> None:
    taken: list[int] = []
    found = scripted().tag(counted((Document.from_text("") for _ in range(60_000)), taken))
    next(found)
    assert len(taken) < 30_000


def test_order_is_kept_over_chunks_and_lengths() -> None:
    numbers = [7000, 0, 1, 15_000, 3, 9000, 0]
    documents = [Document.from_words(["fox"] * n, id=str(i)) for i, n in enumerate(numbers)]
    found = list(scripted().tag(documents))
    assert [(int(d.id or ""), d.n_words) for d in found] == list(enumerate(numbers))


# --- edges ---


@all_families
@pytest.mark.parametrize("text", ["", " ", "\n\t \u3000\r\n"])
def test_text_without_words_has_no_entities(
    load: Callable[[str], Tagger], family: str, text: str
) -> None:
    assert load(family)(text) == []


def test_no_documents_give_no_documents() -> None:
    assert list(scripted().tag([])) == []


def test_text_of_nothing_but_dropped_characters_has_no_entities() -> None:
    tagger = scripted()
    assert tagger("\u0007 \u200b") == []
    assert tagger.stats.words == tagger.stats.words_without_pieces == 2


@pytest.mark.parametrize("text", [None, 3, b"Lisbon", ["Lisbon"], Document.from_text("Lisbon")])
def test_anything_but_a_string_is_refused(text: Any) -> None:
    with pytest.raises(DocumentError, match=f"reads one string, got {type(text).__name__}"):
        scripted()(text)


def test_a_lone_surrogate_is_refused() -> None:
    with pytest.raises(DocumentError, match="lone surrogate"):
        scripted()("Lisbon \ud800")


def test_stats_add_up_over_calls() -> None:
    tagger = scripted(pieces=12)
    documents = [Document.from_words(["Lisbon", "\u0007", "w" * 30]), Document.from_words(["fox"])]
    encoded = tagger.encoder.encode(documents)
    for _ in range(2):
        list(tagger.tag(documents))
    stats = tagger.stats
    assert (stats.documents, stats.words, stats.predicted_words) == (4, 8, 6)
    assert (stats.windows, stats.pieces) == (2 * encoded.n_windows, 2 * len(encoded.ids))
    assert stats.words_without_pieces == 2
    assert stats.cut_pieces == 2 * (30 - 10)


# --- loading ---


def test_a_run_folder_can_be_loaded(tmp_path: Path) -> None:
    tiny_bundle(tmp_path / "run" / "model")
    tagger = Tagger.load(tmp_path / "run")
    assert tagger.settings.tags[0] == "O"
    assert tagger.runtime.name == "torch (cpu, fp32)"


def test_what_is_no_model_is_a_bundle_error(tmp_path: Path) -> None:
    with pytest.raises(BundleError):
        Tagger.load(tmp_path)


def test_loading_without_torch_names_the_extra(
    folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(DependencyError, match=r"'torch'.*pip install 'nertune\[train\]'"):
        Tagger.load(folders["bert"])


def test_a_live_model_stays_in_training_mode(folders: dict[str, Path]) -> None:
    bundle = load_bundle(folders["bert"])
    model = load_model(bundle).train()
    tagger = Tagger(TorchRuntime(model), bundle.settings, bundle.tokenizer)
    text = " ".join(TEXT)
    assert tagger(text) == tagger(text), "dropout must be off while tagging"
    assert model.training


def test_threads_may_share_a_tagger(tmp_path):
    tagger = Tagger.load(tiny_bundle(tmp_path / "model"))
    texts = [f"Ada{i} met word{i * 7} in London{i} ." for i in range(200)]
    alone = [tagger(text) for text in texts]
    shared = Tagger.load(tmp_path / "model")
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(shared, texts))
    assert [[(e.start, e.end, e.label) for e in one] for one in found] == [
        [(e.start, e.end, e.label) for e in one] for one in alone
    ]


class TestThreshold:
    def test_only_entities_with_the_score_stay_and_the_words_of_others_get_o(self, load):
        tagger = load("bert")
        documents = [Document.from_text(" ".join(TEXT))]
        [every] = tagger.tag(documents)
        scores = sorted(entity.score for entity in every.entities)
        middle = scores[len(scores) // 2]
        assert scores[0] < middle
        [document] = tagger.tag(documents, middle)
        kept = [entity for entity in every.entities if entity.score >= middle]
        assert list(document.entities) == kept
        again = Document.from_words(document.words, document.tags, document.sentences)
        assert len(again.entities) == len(kept)
        assert again.label_spans == document.label_spans


class TestArguments:
    def test_labels_may_come_from_a_generator(self):
        tagger = scripted(lisbon_is_a_place)
        texts = ["in Lisbon", "Lisbon"]
        found = list(tagger.tag_texts(texts, labels=(label for label in ["LOC"])))
        assert [[e.text for e in document.entities] for document in found] == [["Lisbon"]] * 2

    @pytest.mark.parametrize("threshold", [-0.1, 1.5, float("nan"), "high", None])
    def test_a_threshold_is_a_probability(self, threshold):
        with pytest.raises(DocumentError, match="expected a probability"):
            list(scripted().tag_texts(["Lisbon"], threshold))

    @pytest.mark.parametrize("labels", ["LOC", 5, [5]])
    def test_labels_are_several_known_ones(self, labels):
        with pytest.raises(DocumentError, match="label"):
            list(scripted().tag_texts(["Lisbon"], labels=labels))

    def test_a_table_is_no_column(self):
        with pytest.raises(DocumentError, match="give one column"):
            scripted().tag_texts({"text": ["in Lisbon"]})

    def test_a_threshold_of_numpy_will_do(self):
        [found] = scripted(lisbon_is_a_place).tag_texts(["in Lisbon"], np.float32(0.5))
        assert len(found.entities) == 1

    @pytest.mark.parametrize(
        ("method", "given", "told"),
        [
            ("tag", ["Lisbon"], "document 0 .from 0. is of type str; expected a Document"),
            ("tag", [Document.from_text("Lisbon"), None], "document 1 .from 0. is of type NoneT"),
            ("tag", 5, "expected several documents, got one int"),
            ("tag_texts", 5, "expected several texts, got one int"),
            ("tag_texts", ["Lisbon", None], "text 1 .from 0. is of type NoneType"),
            ("tag_texts", "Lisbon", "expected several texts, got one string"),
            ("tag_words", "Lisbon", "expected several lists of words, got one string"),
            ("tag_words", [["Lisbon"], "Lisbon"], "sentence 1 .from 0. is of type str"),
            ("tag_words", [["Lisbon"], 5], "sentence 1 .from 0. is of type int"),
            ("tag_words", [["Lisbon", 5]], "sentence 0 .from 0.: word 1"),
        ],
    )
    def test_what_is_no_text_is_named_by_its_place(self, method, given, told):
        with pytest.raises(DocumentError, match=told):
            list(getattr(scripted(), method)(given))


def test_probabilities_come_with_what_tag_gives():
    tagger = scripted(lisbon_is_a_place)
    documents = [Document.from_text(text) for text in ("in Lisbon", "", "Lisbon. In Lisbon")]
    found = list(tagger.word_probabilities(documents, 0.1))
    assert [document for document, _ in found] == list(tagger.tag(documents, 0.1))
    for document, probabilities in found:
        assert probabilities.shape == (document.n_words, len(tagger.settings.tags))
        assert np.allclose(probabilities.sum(axis=1), 1)
