"""What a model directory holds: load, save, verify. No pickle.

`config.json`, `model.safetensors` and `tokenizer.json` are those of plain transformers;
`tagger.json` adds what nertune decides: tags, scheme, window, word shapes, temperature. A
token-classification checkpoint without `tagger.json` loads too, its scheme read off its labels.
"""

from nertune.bundle.encoders import MINILM, encoder_source
from nertune.bundle.files import (
    ONNX_FILES,
    TAGGER_FILE,
    TOKENIZER_FILES,
    WEIGHT_FILES,
    fingerprint,
    names_in,
    sha256,
)
from nertune.bundle.findings import LEVELS, Finding, Findings, Level, Place
from nertune.bundle.folder import (
    Bundle,
    Contents,
    find_folder,
    load_bundle,
    model_folder,
    read_folder,
)
from nertune.bundle.labels import scheme_of_tags
from nertune.bundle.settings import (
    FORMAT_VERSION,
    TaggerSettings,
    position_limit,
    write_settings,
)
from nertune.bundle.vocabulary import read_tokenizer

__all__ = [
    "FORMAT_VERSION",
    "LEVELS",
    "MINILM",
    "ONNX_FILES",
    "TAGGER_FILE",
    "TOKENIZER_FILES",
    "WEIGHT_FILES",
    "Bundle",
    "Contents",
    "Finding",
    "Findings",
    "Level",
    "Place",
    "TaggerSettings",
    "encoder_source",
    "find_folder",
    "fingerprint",
    "load_bundle",
    "model_folder",
    "names_in",
    "position_limit",
    "read_folder",
    "read_tokenizer",
    "scheme_of_tags",
    "sha256",
    "write_settings",
]
