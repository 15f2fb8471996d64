"""Names of models that `NerTagger.pretrained` knows, in the manner of Spark NLP."""

from __future__ import annotations

from pathlib import Path

from nertune.errors import BundleError
from nertune.modelhub import is_hub_id

NAMES: dict[tuple[str, str], str] = {
    ("bert_base_token_classifier_conll03", "en"): "dslim/bert-base-NER",
    ("bert_large_token_classifier_conll03", "en"): (
        "dbmdz/bert-large-cased-finetuned-conll03-english"
    ),
    ("distilbert_base_token_classifier_conll03", "en"): "dslim/distilbert-NER",
    ("bert_multilingual_token_classifier_ner", "xx"): "Babelscape/wikineural-multilingual-ner",
    ("bert_spanish_cased_token_classifier_ner", "es"): "mrm8488/bert-spanish-cased-finetuned-ner",
}
"""Name and language to an id on the Hugging Face Hub."""


def model_named(name: str, lang: str) -> str:
    """The model meant: one of the table, else the folder or Hub id that the name itself is.

    Raises BundleError for a plain word that is none of these.
    """
    if (name, lang) in NAMES:
        return NAMES[name, lang]
    if Path(name).exists() or "://" in name or ("/" in name and is_hub_id(name.partition("@")[0])):
        return name
    known = ", ".join(f"{known} ({language})" for known, language in NAMES)
    raise BundleError(
        f"'{name}' ({lang}): there is no such model; expected a folder, an id of the Hub "
        f"(user/name), or one of {known}"
    )
