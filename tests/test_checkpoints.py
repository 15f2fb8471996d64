"""Checkpoints of other tools: their labels, their tokenizers, their weights, and what is told."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from tokenizers import normalizers
from transformers import AutoTokenizer

from nertune import Tagger
from nertune.bundle import Findings, load_bundle, read_tokenizer, write_settings
from nertune.bundle.vocabulary import tokenizer_in
from nertune.encoding import normalise_tokenizer
from nertune.errors import BundleError
from nertune.testing import TEXT, tiny_bundle, tiny_tokenizer


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bundle(tmp_path_factory.mktemp("bundles") / "whole")


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    """A bundle to break."""
    return Path(shutil.copytree(whole, tmp_path / "bundle"))


def edit(path: Path, **changes: Any) -> None:
    content = json.loads(path.read_text())
    for key, value in changes.items():
        content[key] = value
        if value is None:
            del content[key]
    path.write_text(json.dumps(content))


def from_another_tool(folder: Path) -> None:
    (folder / "tagger.json").unlink()
    edit(folder / "config.json", nertune=None)


def fault(path: Path) -> str:
    with pytest.raises(BundleError) as caught:
        load_bundle(path)
    return str(caught.value).replace(str(path), "FOLDER")


# --- checkpoints of other tools: labels ---


def plain(folder: Path, names: list[str]) -> Path:
    """A checkpoint of another tool with these names in id2label."""
    from_another_tool(folder)
    edit(folder / "config.json", id2label={str(i): name for i, name in enumerate(names)})
    return folder


@pytest.mark.parametrize(
    ("names", "tags", "scheme"),
    [
        ("O B-PER I-PER B-LOC I-LOC", "O B-PER I-PER B-LOC I-LOC", "IOB2"),
        ("O b-per i-per b-Loc i-Loc", "O B-per I-per B-Loc I-Loc", "IOB2"),
        ("o B_PER I_PER B_LOC I_LOC", "O B-PER I-PER B-LOC I-LOC", "IOB2"),
        ("O B:PER I:PER B:LOC I:LOC", "O B-PER I-PER B-LOC I-LOC", "IOB2"),
        ("O PER-B PER-I LOC-B LOC-I", "O B-PER I-PER B-LOC I-LOC", "IOB2"),
        ("PER LOC ORG MISC O", "I-PER I-LOC I-ORG I-MISC O", "IO"),
        ("O person E_MAIL street-name S-x", None, None),
        ("O person e_mail street-name x", "O I-person I-e_mail I-street-name I-x", "IO"),
        ("0 PER LOC ORG MISC", "O I-PER I-LOC I-ORG I-MISC", "IO"),
        ("NONE PER LOC ORG MISC", "O I-PER I-LOC I-ORG I-MISC", "IO"),
        ("O OTHER LOC ORG MISC", "O I-OTHER I-LOC I-ORG I-MISC", "IO"),
        ("[PAD] O B-PER I-PER X", "O O B-PER I-PER O", "IOB2"),
        ("O B-LOC I-LOC I-PER I-ORG", "O B-LOC I-LOC I-PER I-ORG", "IOB1"),
        ("O S-PER B-PER I-PER E-PER", "O S-PER B-PER I-PER E-PER", "IOBES"),
        ("O u-PER b-PER i-PER l-PER", "O U-PER B-PER I-PER L-PER", "BILOU"),
        ("B-PER I-PER B-LOC I-LOC B-X", "B-PER I-PER B-LOC I-LOC B-X", "IOB2"),
        ("LABEL_0 LABEL_1 LABEL_2 LABEL_3 LABEL_4", None, None),
        ("0 1 2 3 4", None, None),
        ("O B-PER I-PER PER LOC", None, None),
        ("O B-PER I-PER LABEL_3 LABEL_4", None, None),
    ],
)
def test_names_of_labels_are_read_as_tags_in_the_order_of_the_network(
    folder: Path, names: str, tags: str | None, scheme: str | None
) -> None:
    plain(folder, names.split())
    if tags is None:
        assert "id2label of config.json, in the order of training" in fault(folder)
    else:
        settings = load_bundle(folder).settings
        assert " ".join(settings.tags) == tags
        assert settings.scheme == scheme


def test_labels_without_prefixes_give_entities_of_their_own_names(folder: Path) -> None:
    plain(folder, ["O", "PER", "LOC", "ORG", "MISC"])
    entities = Tagger.load(folder)(" ".join(TEXT))
    assert {entity.label for entity in entities} <= {"PER", "LOC", "ORG", "MISC"}
    assert entities


def test_ids_of_labels_may_be_written_anyhow(folder: Path) -> None:
    from_another_tool(folder)
    names = {"4": "O", "03": "B-PER", " 2": "I-PER", "1": "B-LOC", "0": "I-LOC"}
    edit(folder / "config.json", id2label=names)
    assert load_bundle(folder).settings.tags == ("I-LOC", "B-LOC", "I-PER", "B-PER", "O")


def test_no_label_for_o_is_told_at_load(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    plain(folder, ["B-PER", "I-PER", "B-LOC", "I-LOC", "B-X"])
    with caplog.at_level(logging.WARNING, "nertune"):
        load_bundle(folder)
    assert "no label means O" in caplog.text


def test_a_tagger_file_may_name_the_labels_as_they_are_read(folder: Path) -> None:
    plain(folder, ["O", "PER", "LOC", "ORG", "MISC"])
    settings = load_bundle(folder).settings
    write_settings(folder, settings, tiny_tokenizer())
    assert load_bundle(folder).settings == settings


def test_several_faults_point_to_the_doctor(folder: Path) -> None:
    plain(folder, ["LABEL_0"])
    (folder / "tokenizer.json").unlink()
    message = fault(folder)
    assert message.startswith("FOLDER: holds no tokenizer.json")
    assert message.endswith("(and 2 more faults; 'nertune doctor FOLDER')")


# --- checkpoints of other tools: tokenizers ---

HARD = (
    *TEXT,
    "NAÏVE Ångström œuvre İstanbul ﬁne 東京都 x\u00a0y e\u0301 \u200bzero don't U.S. [MASK] <mask>",
    "tab\tnew\u2028line 😀 👩‍👩‍👧 ½ ①  double  space",
)


@pytest.fixture(scope="module")
def words() -> list[str]:
    """A vocabulary with capitals and accents."""
    pieces = {char for line in HARD for char in line if not char.isspace()}
    pieces |= {f"##{char}" for char in pieces}
    pieces |= {"the", "The", "##ville", "Ang", "##strom", "naive", "nai", "##ve"}
    return ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *sorted(pieces)]


def same_ids(folder: Path, texts: Sequence[str] = HARD) -> None:
    """The ids are those of transformers, with and without special pieces."""


    theirs = AutoTokenizer.from_pretrained(folder)
    ours = tokenizer_in(folder, found := Findings())
    assert not found
    assert ours is not None
    for text in texts:
        assert ours.encode(text).ids == theirs(text)["input_ids"], text
        expected = theirs(text, add_special_tokens=False)["input_ids"]
        assert ours.encode(text, add_special_tokens=False).ids == expected, text


def write_json(path: Path, **content: Any) -> None:
    path.write_text(json.dumps(content), encoding="utf-8")


@pytest.mark.parametrize(
    "settings",
    [
        None,
        {},
        {"do_lower_case": False},
        {"do_lower_case": True, "strip_accents": False},
        {"do_lower_case": False, "strip_accents": True},
        {"do_lower_case": True, "tokenize_chinese_chars": False},
        {"do_lower_case": False, "max_len": 512, "init_inputs": []},
    ],
)
@pytest.mark.parametrize("kind", ["bert", "distilbert", "electra"])
def test_a_tokenizer_made_of_vocab_txt_is_that_of_transformers(
    tmp_path: Path, words: list[str], settings: dict[str, Any] | None, kind: str
) -> None:
    write_json(tmp_path / "config.json", model_type=kind)
    (tmp_path / "vocab.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
    if settings is not None:
        write_json(tmp_path / "tokenizer_config.json", **settings)
    same_ids(tmp_path)


def test_pieces_added_to_a_vocabulary_keep_their_ids(tmp_path: Path, words: list[str]) -> None:
    write_json(tmp_path / "config.json", model_type="bert")
    (tmp_path / "vocab.txt").write_text("\n".join(words), encoding="utf-8")
    n = len(words)
    write_json(tmp_path / "added_tokens.json", **{"[DRUG]": n + 1, "Nairobi": n})
    write_json(tmp_path / "special_tokens_map.json", cls_token="[CLS]", pad_token="[PAD]")
    same_ids(tmp_path, ["a [DRUG] near Nairobi", *HARD])
    write_json(tmp_path / "added_tokens.json", **{"[DRUG]": n + 7})
    with pytest.raises(BundleError, match=rf"'\[DRUG\]' to have the id {n + 7}, but its .* {n}"):
        read_tokenizer(tmp_path)


@pytest.mark.parametrize("kind", ["roberta", "longformer"])
@pytest.mark.parametrize("prefix", [False, True])
def test_a_tokenizer_made_of_merges_is_that_of_transformers(
    tmp_path: Path, kind: str, prefix: bool
) -> None:
    tiny_tokenizer("roberta").model.save(str(tmp_path))
    write_json(tmp_path / "config.json", model_type=kind)
    write_json(tmp_path / "tokenizer_config.json", add_prefix_space=prefix)
    same_ids(tmp_path, TEXT)
    expected = normalise_tokenizer(tiny_tokenizer("roberta"))
    for text in HARD[:-1]:
        assert read_tokenizer(tmp_path).encode(text.replace("<mask>", "")).ids == expected.encode(
            text.replace("<mask>", "")
        ).ids


def test_a_checkpoint_with_vocab_txt_tags_as_one_with_tokenizer_json(folder: Path) -> None:
    from_another_tool(folder)
    expected = Tagger.load(folder)(" ".join(TEXT))
    vocabulary = load_bundle(folder).tokenizer.get_vocab()
    (folder / "vocab.txt").write_text("\n".join(sorted(vocabulary, key=vocabulary.__getitem__)))
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).unlink()
    assert Tagger.load(folder)(" ".join(TEXT)) == expected != []


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (["spiece.model"], "holds no tokenizer.json but spiece.model, a SentencePiece model"),
        (["sentencepiece.bpe.model"], "but sentencepiece.bpe.model, a SentencePiece model"),
        (["vocab.json"], "holds vocab.json without merges.txt"),
        (["merges.txt"], "holds merges.txt without vocab.json"),
        ([], "holds no tokenizer.json; save it with transformers"),
    ],
)
def test_a_tokenizer_that_cannot_be_made_is_refused_with_the_cure(
    folder: Path, files: list[str], message: str
) -> None:
    from_another_tool(folder)
    (folder / "tokenizer.json").unlink()
    for name in files:
        (folder / name).write_bytes(b"{}")
    said = fault(folder)
    assert message in said
    assert "AutoTokenizer.from_pretrained(...).save_pretrained(...)" in said


@pytest.mark.parametrize(
    ("settings", "text", "message"),
    [
        ({"tokenizer_class": "BertJapaneseTokenizer"}, "[UNK]", "the kind 'BertJapaneseTokenizer'"),
        ({"tokenizer_class": "RobertaTokenizer"}, "[UNK]", "neither tokenizer.json nor vocab.json"),
        ({}, "a\nb", "lacks the special pieces [CLS], [SEP], [UNK]"),
        ({"cls_token": {"content": "<c>"}}, "[UNK]\n[SEP]", "lacks the special pieces <c>;"),
        ({}, "\xff", "vocab.txt: is no valid tokenizer file"),
    ],
)
def test_a_vocabulary_of_another_kind_is_refused(
    folder: Path, settings: dict[str, Any], text: str, message: str
) -> None:
    from_another_tool(folder)
    (folder / "tokenizer.json").unlink()
    (folder / "vocab.txt").write_bytes(text.encode("latin-1"))
    write_json(folder / "tokenizer_config.json", **settings)
    assert message in fault(folder)


# --- checkpoints of other tools: weights ---


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("pytorch_model.bin", "only in pytorch_model.bin, a pickle, which can run any program"),
        ("tf_model.h5", "only in tf_model.h5, of another framework"),
    ],
)
def test_weights_of_another_format_are_refused_with_the_cure(
    folder: Path, name: str, message: str
) -> None:
    (folder / "model.safetensors").rename(folder / name)
    said = fault(folder)
    assert message in said
    assert "save_pretrained(...) writes model.safetensors" in said


def test_what_the_hub_has_besides_is_spoken_of(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    with pytest.raises(BundleError, match=r"only in pytorch_model\.bin"):
        load_bundle(folder, ["pytorch_model.bin"])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (lambda raw: raw[:-1], "it is cut off"),
        (lambda raw: raw[:100], "it is no safetensors"),
        (lambda _: b"", "it is no safetensors"),
        (lambda _: b"version https://git-lfs.github.com/spec/v1\n", "a pointer of Git LFS"),
    ],
)
def test_weights_that_are_not_whole(folder: Path, content: Any, message: str) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(content(path.read_bytes()))
    assert f"model.safetensors: the weights cannot be read ({message}" in fault(folder)


def test_weights_for_another_number_of_tags(folder: Path) -> None:
    plain(folder, ["O", "B-PER", "I-PER"])
    assert "they classify into 5 tags, id2label names 3" in fault(folder)


def test_a_missing_shard(folder: Path) -> None:
    write_json(folder / "model.safetensors.index.json", weight_map={"a": "model-1.safetensors"})
    (folder / "model.safetensors").unlink()
    assert "names model-1.safetensors, which is not there" in fault(folder)


# --- what is told at load ---


@pytest.mark.parametrize(
    ("lower", "message"),
    [(True, "have capitals and can never occur"), (False, "none of its pieces has a capital")],
)
def test_a_vocabulary_of_another_case_is_told_at_load(
    folder: Path, caplog: pytest.LogCaptureFixture, lower: bool, message: str
) -> None:
    from_another_tool(folder)
    (folder / "tokenizer.json").unlink()
    names = [f"{a}{b}{c}" for a in "abcdefg" for b in "abcde" for c in "abcdef"]
    pieces = [name.capitalize() if lower else name for name in names]
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    (folder / "vocab.txt").write_text("\n".join([*special, *pieces]), encoding="utf-8")
    write_json(folder / "tokenizer_config.json", do_lower_case=lower)
    edit(folder / "config.json", vocab_size=len(special) + len(pieces))
    with caplog.at_level(logging.WARNING, "nertune"):
        load_bundle(folder)
    assert message in caplog.text


def test_a_sound_model_is_loaded_without_a_word(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    load_bundle(folder)
    assert not caplog.messages


def test_a_tokenizer_that_writes_words_alone_otherwise_is_refused(folder: Path) -> None:
    tokenizer: Any = tiny_tokenizer()
    tokenizer.normalizer = normalizers.Replace(" ", "q")
    tokenizer.pre_tokenizer = None
    tokenizer.save(str(folder / "tokenizer.json"))
    assert "one by one with other pieces than in running text" in fault(folder)
