"""Networks in and out of bundles, and the word shapes they read."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    AutoModelForTokenClassification,
    AutoTokenizer,
    DistilBertConfig,
    DistilBertForTokenClassification,
)

from nertune.bundle import TaggerSettings, load_bundle
from nertune.config import ModelSettings, WindowSettings
from nertune.documents import Document
from nertune.encoding import SHAPES, Encoder, normalise_tokenizer
from nertune.errors import BundleError, OutputError, RecipeError
from nertune.model import (
    add_shapes,
    head_parameters,
    load_model,
    new_model,
    new_tokenizer,
    save_model,
    takes_shapes,
)
from nertune.runtimes.torch import TorchRuntime
from nertune.testing import tiny_bundle, tiny_encoder, tiny_model, tiny_tokenizer

TAGS = ("O", "B-LOC", "I-LOC")
WORDS = ["The", "Presidente", "visited", "São", "Paulo", "on", "12", "May", "1999", ".", "東京"]
WINDOW = WindowSettings(pieces=64)

both_families = pytest.mark.parametrize("family", ["bert", "roberta"])


def distilbert() -> DistilBertForTokenClassification:
    """An encoder without segments."""
    torch.manual_seed(0)
    config = DistilBertConfig(
        vocab_size=tiny_tokenizer().get_vocab_size(),
        dim=16,
        n_layers=1,
        n_heads=2,
        hidden_dim=32,
        id2label=dict(enumerate(TAGS)),
        label2id={tag: i for i, tag in enumerate(TAGS)},
    )
    return DistilBertForTokenClassification(config).eval()


def settings(**changes: object) -> TaggerSettings:
    return TaggerSettings(tags=TAGS, scheme="IOB2", window=WINDOW, **changes)  # type: ignore[arg-type]


def our_logits(folder: Path) -> np.ndarray:
    bundle = load_bundle(folder)
    encoder = Encoder(bundle.tokenizer, bundle.settings.window, bundle.settings.shapes)
    encoded = encoder.encode([Document.from_words(WORDS)])
    return TorchRuntime(load_model(bundle)).logits(encoder.pad(encoded, [0]))


def plain_logits(folder: Path) -> np.ndarray:
    """What plain transformers computes, knowing nothing of nertune."""
    tokenizer = AutoTokenizer.from_pretrained(str(folder))
    model = AutoModelForTokenClassification.from_pretrained(str(folder)).eval()
    inputs = tokenizer([WORDS], is_split_into_words=True, return_tensors="pt")
    with torch.inference_mode():
        return model(**inputs).logits.numpy()


def encoder_settings(folder: Path, **changes: object) -> ModelSettings:
    return ModelSettings(encoder=str(folder), **changes)  # type: ignore[arg-type]


# --- in and out ---


@both_families
def test_plain_transformers_computes_the_same_logits(tmp_path: Path, family: str) -> None:
    folder = tiny_bundle(tmp_path / "b", family)
    mine, plain = our_logits(folder), plain_logits(folder)
    assert mine.shape == plain.shape
    np.testing.assert_allclose(mine, plain, atol=1e-5)
    assert np.ptp(mine, axis=1).min() > 0.01, "the logits must depend on the piece"


def test_an_encoder_without_segments_gives_the_same_logits_in_plain_transformers(
    tmp_path: Path,
) -> None:
    save_model(tmp_path / "b", distilbert(), settings(), normalise_tokenizer(tiny_tokenizer()))
    np.testing.assert_allclose(our_logits(tmp_path / "b"), plain_logits(tmp_path / "b"), atol=1e-5)


@both_families
def test_a_saved_model_comes_back_with_the_same_weights(tmp_path: Path, family: str) -> None:
    tokenizer = normalise_tokenizer(tiny_tokenizer(family))
    model = tiny_model(TAGS, tokenizer, family, seed=3)
    save_model(tmp_path / "b", model, settings(), tokenizer)
    loaded = load_model(load_bundle(tmp_path / "b"))
    assert not loaded.training
    expected = model.state_dict()
    assert loaded.state_dict().keys() == expected.keys()
    assert all(torch.equal(loaded.state_dict()[name], expected[name]) for name in expected)


def test_saving_over_a_bundle_replaces_it_whole(tmp_path: Path) -> None:
    folder = tiny_bundle(tmp_path / "b")
    (folder / "left over").write_text("")
    tiny_bundle(folder, labels=("ORG",))
    assert load_bundle(folder).settings.tags == ("O", "B-ORG", "I-ORG")
    assert not (folder / "left over").exists()


def test_a_bundle_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("kept")
    with pytest.raises(OutputError):
        tiny_bundle(tmp_path / "file")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_weights_that_are_no_weights_are_a_bundle_error(tmp_path: Path) -> None:
    folder = tiny_bundle(tmp_path / "b")
    (folder / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(BundleError, match="the weights cannot be read"):
        load_model(load_bundle(folder))


def test_weights_of_another_size_are_a_bundle_error(tmp_path: Path) -> None:
    folder = tiny_bundle(tmp_path / "b")
    other = tiny_bundle(tmp_path / "other", labels=("ORG",))
    shutil.copy(other / "model.safetensors", folder)
    with pytest.raises(BundleError, match="the weights cannot be read"):
        load_model(load_bundle(folder))


def test_weights_without_a_classifier_are_not_filled_up_at_random(tmp_path: Path) -> None:
    folder = tiny_bundle(tmp_path / "b")
    weights = load_file(folder / "model.safetensors")
    kept = {name: value for name, value in weights.items() if "classifier" not in name}
    assert len(kept) == len(weights) - 2
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(BundleError, match=r"lack classifier\.bias and 1 more"):
        load_model(load_bundle(folder))


# --- shapes ---


@both_families
def test_new_shape_rows_leave_the_logits_unchanged(family: str) -> None:
    tokenizer = normalise_tokenizer(tiny_tokenizer(family))
    document = Document.from_words(WORDS)
    logits = []
    for shapes in (False, True):
        model = tiny_model(TAGS, tokenizer, family)
        if shapes:
            add_shapes(model)
        encoder = Encoder(tokenizer, WINDOW, shapes)
        encoded = encoder.encode([document])
        assert encoded.types.any() == shapes
        logits.append(TorchRuntime(model).logits(encoder.pad(encoded, [0])))
    np.testing.assert_array_equal(*logits)


@both_families
def test_shapes_reach_the_model(family: str) -> None:
    tokenizer = normalise_tokenizer(tiny_tokenizer(family))
    model = tiny_model(TAGS, tokenizer, family)
    add_shapes(model)
    with torch.no_grad():
        table = model.base_model.embeddings.token_type_embeddings.weight
        assert table.shape[0] == len(SHAPES) == model.config.type_vocab_size
        table[SHAPES.index("digits")].normal_()
    rows = []
    for shapes in (False, True):
        encoder = Encoder(tokenizer, WINDOW, shapes)
        encoded = encoder.encode([Document.from_words(["on", "1999"])])
        rows.append(TorchRuntime(model).logits(encoder.pad(encoded, [0])))
    assert np.abs(rows[0] - rows[1]).max() > 0.01


@both_families
def test_shapes_survive_saving(tmp_path: Path, family: str) -> None:
    tokenizer = normalise_tokenizer(tiny_tokenizer(family))
    model = tiny_model(TAGS, tokenizer, family)
    add_shapes(model)
    with torch.no_grad():
        model.base_model.embeddings.token_type_embeddings.weight.normal_()
    save_model(tmp_path / "b", model, settings(shapes=True), tokenizer)
    encoder = Encoder(tokenizer, WINDOW, shapes=True)
    batch = encoder.pad(encoder.encode([Document.from_words(WORDS)]), [0])
    np.testing.assert_array_equal(our_logits(tmp_path / "b"), TorchRuntime(model).logits(batch))
    inputs = {
        "input_ids": torch.from_numpy(batch.ids),
        "attention_mask": torch.from_numpy(batch.mask),
        "token_type_ids": torch.from_numpy(batch.types),
    }
    plain = AutoModelForTokenClassification.from_pretrained(str(tmp_path / "b")).eval()
    with torch.inference_mode():
        logits = plain(**inputs).logits.numpy()
    np.testing.assert_allclose(our_logits(tmp_path / "b"), logits, atol=1e-5)


def test_an_encoder_without_segments_has_no_place_for_shapes() -> None:
    model = distilbert()
    assert not takes_shapes(model)
    with pytest.raises(BundleError, match="distilbert has no segment table"):
        add_shapes(model)


def test_the_head_is_the_classifier_and_the_shapes() -> None:
    model = tiny_model(TAGS, tiny_tokenizer())
    assert head_parameters(model) == {"classifier.weight", "classifier.bias"}
    add_shapes(model)
    assert head_parameters(model) == {
        "classifier.weight",
        "classifier.bias",
        "bert.embeddings.token_type_embeddings.weight",
    }


# --- from an encoder ---


@both_families
def test_a_new_model_keeps_the_encoder_and_names_the_tags(tmp_path: Path, family: str) -> None:
    folder = tiny_encoder(tmp_path / "e", family)
    model = new_model(encoder_settings(folder, shapes=True), TAGS, WINDOW)
    assert model.config.id2label == dict(enumerate(TAGS))
    assert model.config.label2id == {tag: i for i, tag in enumerate(TAGS)}
    assert model.classifier.out_features == len(TAGS)
    weights = load_file(folder / "model.safetensors")
    for name, value in model.base_model.named_parameters():
        if "token_type" in name:
            assert torch.equal(value, weights[name][:1].expand_as(value))
        else:
            assert torch.equal(value, weights[name]), name


def test_dropouts_of_the_recipe_reach_the_network(tmp_path: Path) -> None:
    folder = tiny_encoder(tmp_path / "e")
    chosen = encoder_settings(folder, dropout=0.31, attention_dropout=0.32, head_dropout=0.33)
    model = new_model(chosen, TAGS, WINDOW)
    layer = model.base_model.encoder.layer[0]
    assert layer.output.dropout.p == 0.31
    assert layer.attention.self.dropout.p == 0.32
    assert model.dropout.p == 0.33


def test_dropouts_that_are_not_given_stay_those_of_the_encoder(tmp_path: Path) -> None:
    model = new_model(encoder_settings(tiny_encoder(tmp_path / "e")), TAGS, WINDOW)
    assert model.config.hidden_dropout_prob == 0.1
    assert model.config.classifier_dropout is None


def test_the_tokenizer_of_an_encoder_is_normalised(tmp_path: Path) -> None:
    tokenizer = new_tokenizer(encoder_settings(tiny_encoder(tmp_path / "e")))
    assert tokenizer.truncation is None
    assert tokenizer.padding is None


@pytest.mark.parametrize(("family", "limit"), [("bert", 258), ("roberta", 256)])
def test_a_window_longer_than_the_encoder_reads_is_a_fault(
    tmp_path: Path, family: str, limit: int
) -> None:
    folder = tiny_encoder(tmp_path / "e", family)
    with pytest.raises(RecipeError, match=f"reads at most {limit} pieces at once .got {limit + 1}"):
        new_model(encoder_settings(folder), TAGS, WindowSettings(pieces=limit + 1))
    model = new_model(encoder_settings(folder), TAGS, WindowSettings(pieces=limit))
    with torch.inference_mode():
        longest = model(input_ids=torch.full((1, limit), 5)).logits
    assert longest.shape == (1, limit, len(TAGS))


def test_all_faults_of_a_recipe_are_named_at_once(tmp_path: Path) -> None:
    distilbert().base_model.save_pretrained(str(tmp_path / "e"))
    chosen = encoder_settings(tmp_path / "e", shapes=True)
    with pytest.raises(RecipeError) as caught:
        new_model(chosen, TAGS, WindowSettings(pieces=513))
    assert [fault.partition(":")[0] for fault in caught.value.faults] == [
        "window.pieces",
        "model.shapes",
    ]
    assert "(distilbert) has no token_type_ids" in caught.value.faults[1]


def test_a_dropout_that_the_encoder_does_not_have_is_a_fault(tmp_path: Path) -> None:
    # DistilBERT's tag classifier takes the dropout of the other layers.
    distilbert().base_model.save_pretrained(str(tmp_path / "e"))
    chosen = encoder_settings(tmp_path / "e", dropout=0.2, head_dropout=0.1)
    with pytest.raises(RecipeError) as caught:
        new_model(chosen, TAGS, WINDOW)
    [fault] = caught.value.faults
    assert fault.startswith("model.head_dropout: the encoder ")
    assert "(distilbert) has no such dropout; leave the setting out" in fault


@pytest.mark.parametrize("damage", ["no weights", "no such model"])
def test_an_encoder_that_cannot_be_loaded_is_named(tmp_path: Path, damage: str) -> None:
    folder = tiny_encoder(tmp_path / "e")
    if damage == "no weights":
        (folder / "model.safetensors").unlink()
    else:
        (folder / "config.json").write_text('{"model_type": "no-such-model"}')
    with pytest.raises(BundleError, match="cannot be loaded") as caught:
        new_model(encoder_settings(folder), TAGS, WINDOW)
    assert str(folder) in str(caught.value)


def test_an_encoder_whose_weights_have_other_names_is_refused(tmp_path):
    folder = tiny_encoder(tmp_path / "encoder")
    weights = load_file(folder / "model.safetensors")
    strange = {f"strange.{name}": value for name, value in weights.items()}
    save_file(strange, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(BundleError, match="would be random"):
        new_model(ModelSettings(encoder=str(folder)), TAGS, WindowSettings(pieces=64))


def test_a_network_smaller_than_its_weights_is_refused(tmp_path):
    folder = tiny_bundle(tmp_path / "model")
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config["num_hidden_layers"] = 1
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(BundleError, match="has no place"):
        load_model(load_bundle(folder))


def test_the_code_of_a_model_folder_is_never_run(tmp_path):
    folder = tiny_bundle(tmp_path / "model")
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config |= {"model_type": "evil", "auto_map": {"AutoConfig": "evil.Config"}}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (folder / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')", encoding="utf-8")
    with pytest.raises(BundleError):
        load_model(load_bundle(folder))
    assert not (tmp_path / "ran").exists()
