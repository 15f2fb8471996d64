"""The metadata of a card, by the classes of huggingface_hub."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from nertune.card.facts import CardFacts
from nertune.card.hubnames import hub_languages, licence_fields
from nertune.card.text import one_line
from nertune.errors import OutputError

_METRICS = {"precision": "Precision", "recall": "Recall", "f1": "F1", "accuracy": "Accuracy"}


def card_data(facts: CardFacts) -> Any:
    """huggingface_hub's ModelCardData for a model."""
    from huggingface_hub import ModelCardData

    languages = hub_languages(facts.languages)
    results = list(_results(facts))
    examples: list[Any] = [{"text": text} for text in facts.examples.sentences]
    licence: dict[str, Any] = {**licence_fields(facts.license)}
    return ModelCardData(
        language=languages[0] if len(languages) == 1 else languages or None,
        library_name="transformers",  # what the Hub's page can run the model with
        pipeline_tag="token-classification",
        tags=["named-entity-recognition", "ner", *(["nertune"] if facts.trained_here else [])],
        base_model=facts.encoder_id,
        datasets=[facts.dataset_id] if facts.dataset_id else None,
        metrics=list(_METRICS) if results else None,
        model_name=facts.title if results else None,
        eval_results=results or None,
        widget=examples or None,
        **licence,
    )


def check_card(text: str, data: Any) -> None:
    """Raise OutputError where huggingface_hub does not read back what was put into a card."""
    from huggingface_hub import ModelCard

    found: Any = ModelCard(text).data
    if found.to_dict() != data.to_dict():
        raise OutputError(
            "the card's metadata would not be read back as they were written; expected names "
            "without unusual signs in recipe.yaml (name, data.name, language, license)"
        )


def _results(facts: CardFacts) -> Iterable[Any]:
    """The scores of the split that counts: test, or dev where there is no test."""
    from huggingface_hub import EvalResult

    if facts.main is None:
        return
    micro = facts.main.micro
    values = {**{name: getattr(micro, name) for name in ("precision", "recall", "f1")},
              "accuracy": facts.main.accuracy}  # fmt: skip
    data = facts.recipe.data if facts.recipe else None
    on_hub = data if facts.dataset_id else None
    for name, pretty in _METRICS.items():
        yield EvalResult(
            task_type="token-classification",
            task_name="Named Entity Recognition",
            dataset_type=facts.dataset_id or "unknown",  # any other name would be one of the Hub
            dataset_name=one_line(facts.split_data(facts.main.name) or "unknown"),
            dataset_config=on_hub.config if on_hub else None,
            dataset_split=facts.split_name(facts.main.name),
            dataset_revision=on_hub.revision if on_hub else None,
            metric_type=name,
            metric_name=pretty,
            metric_value=values[name],
        )
