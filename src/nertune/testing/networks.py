"""Tiny random networks of every family, as bundles and as encoders to fine-tune."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from transformers import AutoConfig, AutoModelForTokenClassification, PreTrainedModel

from nertune import schemes
from nertune.bundle import TaggerSettings
from nertune.config import WindowSettings
from nertune.encoding import normalise_tokenizer
from nertune.model import add_shapes, quiet, save_model
from nertune.testing.vocabularies import Family, tiny_tokenizer

_SIZES: dict[str, Any] = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 258,
    "initializer_range": 0.5,
}
_ROBERTA: dict[str, Any] = {
    "pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2, "type_vocab_size": 1,
}  # fmt: skip
_NETWORKS: dict[Family, dict[str, Any]] = {
    "bert": {"model_type": "bert"},
    "bert-cased": {"model_type": "bert"},
    "electra": {"model_type": "electra", "embedding_size": 8},
    "distilbert": {
        "model_type": "distilbert", "dim": 16, "hidden_dim": 32, "n_heads": 2, "n_layers": 2,
    },
    "roberta": {"model_type": "roberta", **_ROBERTA},
    "roberta-prefix": {"model_type": "roberta", **_ROBERTA},
    "modernbert": {
        "model_type": "modernbert", "pad_token_id": 0, "cls_token_id": 2, "sep_token_id": 3,
        "bos_token_id": 2, "eos_token_id": 3,
    },
    "unigram": {"model_type": "xlm-roberta", **_ROBERTA},
    "deberta": {
        "model_type": "deberta-v2", "relative_attention": True, "position_buckets": 32,
        "max_relative_positions": -1, "norm_rel_ebd": "layer_norm", "share_att_key": True,
        "pos_att_type": ["p2c", "c2p"], "position_biased_input": False, "type_vocab_size": 0,
        "pad_token_id": 0,
    },
}  # fmt: skip
"""What each family's configuration has beside the sizes, as its published models have it."""


def tiny_model(
    tags: Sequence[str], tokenizer: Tokenizer, family: Family = "bert", seed: int = 0
) -> PreTrainedModel:
    """A random network of 2 layers and 16 dimensions, in evaluation mode.

    It finds something almost everywhere: over all pieces no tag is likelier than another.
    """
    own = dict(_NETWORKS[family])
    configurations: Any = AutoConfig
    config = configurations.for_model(
        own.pop("model_type"),
        vocab_size=tokenizer.get_vocab_size(),
        id2label=dict(enumerate(tags)),
        label2id={tag: i for i, tag in enumerate(tags)},
        **{**_SIZES, **own},
    )
    torch.manual_seed(seed)
    models: Any = AutoModelForTokenClassification
    model = models.from_config(config).eval()
    with torch.no_grad():
        ids = torch.arange(config.vocab_size)[:, None]
        mean = model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits.mean((0, 1))
        model.classifier.bias -= mean
    return model  # type: ignore[no-any-return]


def tiny_bundle(
    folder: Path,
    family: Family = "bert",
    labels: Sequence[str] = ("LOC", "PER"),
    window: WindowSettings | None = None,
    shapes: bool = False,
) -> Path:
    """A whole bundle with random weights at `folder`, which is returned.

    Raises BundleError for shapes where the family has no `token_type_ids`.
    """
    tokenizer = normalise_tokenizer(tiny_tokenizer(family))
    tags = tuple(schemes.tag_set(labels, schemes.SCHEMES["IOB2"]))
    model = tiny_model(tags, tokenizer, family)
    if shapes:
        add_shapes(model)
    settings = TaggerSettings(
        tags=tags, scheme="IOB2", window=window or WindowSettings(pieces=64), shapes=shapes
    )
    save_model(folder, model, settings, tokenizer)
    return folder


def tiny_encoder(folder: Path, family: Family = "bert") -> Path:
    """An encoder to fine-tune: what `model.encoder` of a recipe may name."""
    tokenizer = tiny_tokenizer(family)
    model: Any = tiny_model(("O",), tokenizer, family)
    with torch.no_grad():  # layers that hardly change what they are given: it learns fast
        for layer in model.modules():
            if isinstance(layer, torch.nn.Linear):
                layer.weight.mul_(0.2)
    folder.mkdir(parents=True, exist_ok=True)
    with quiet():
        model.base_model.save_pretrained(str(folder))
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder
