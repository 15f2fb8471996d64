"""Short names of models: those built in, and those of the user's own file, which win.

The file is the one that the environment variable NERTUNE_MODELS names, else `nertune/models.yaml`
in XDG_CONFIG_HOME (`~/.config`), where there is one:

    press: runs/press               # a folder, from where the file lies
    es.ner: me/my-spanish-ner@v2    # an id of the Hugging Face Hub, which may have a revision
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from unicodedata import category

import yaml

from nertune.errors import BundleError

_LARGE = "dbmdz/bert-large-cased-finetuned-conll03-english"
_MULTILINGUAL = "Babelscape/wikineural-multilingual-ner"
_SPANISH = "mrm8488/bert-spanish-cased-finetuned-ner"
BUILT_IN: dict[str, str] = {
    "en.ner": "dslim/bert-base-NER",
    "en.ner.small": "dslim/distilbert-NER",
    "en.ner.large": _LARGE,
    "es.ner": _SPANISH,
    "xx.ner": _MULTILINGUAL,
    # As Spark NLP calls the like of them, behind their language.
    "en.bert_base_token_classifier_conll03": "dslim/bert-base-NER",
    "en.distilbert_base_token_classifier_conll03": "dslim/distilbert-NER",
    "en.bert_large_token_classifier_conll03": _LARGE,
    "es.bert_spanish_cased_token_classifier_ner": _SPANISH,
    "xx.bert_multilingual_token_classifier_ner": _MULTILINGUAL,
}
"""Name to an id of the Hugging Face Hub; `xx` is any language."""

_NAME = re.compile(r"\w+([.-]\w+)*")
_IS_PATH = re.compile(r"[./~]|.*/.*/")
_UNPRINTED = ("Cc", "Cs", "Zl", "Zp")  # control characters, lone surrogates, ends of lines
_STRING = "tag:yaml.org,2002:str"


@dataclass(frozen=True)
class NamedModel:
    """A name, the folder or Hub id that it stands for, and where that is said.

    absent: the folder that a Hub id could be, which is not there; built-in names have none.
    """

    name: str
    model: str
    origin: str = "built in"
    absent: str = ""

    @property
    def is_folder(self) -> bool:
        """Whether it stands for a folder, whose whole path is given."""
        return os.path.isabs(self.model)

    def __str__(self) -> str:
        return f"{self.name} (a name for {self.model}, {self.origin})"


def known_models() -> dict[str, NamedModel]:
    """Every name there is, the user's first. Raises BundleError for a fault in the user's file."""
    path = _users_file()
    users = {} if path is None else {one.name: one for one in _read(path)}
    return users | {
        name: NamedModel(name, model) for name, model in BUILT_IN.items() if name not in users
    }


def named_model(word: str) -> NamedModel | None:
    """The model of this name, if it is one. Raises BundleError for a fault in the user's file."""
    return known_models().get(word) if _NAME.fullmatch(word) else None


def pretrained_model(name: str, lang: str) -> str:
    """The name `lang.name` where there is one, else the name, folder or Hub id that `name` is.

    Raises BundleError for a plain word that is none of these.
    """
    for what, given in (("name", name), ("lang", lang)):
        if not isinstance(given, str):
            raise BundleError(f"{what} is {given!r}; expected a string, as in ('ner', 'en')")
    wanted = f"{lang}.{name}"
    if named_model(wanted):
        return wanted
    if Path(name).exists() or "/" in name or named_model(name):
        return name
    reason = (
        f"'{name}' ({lang}): there is no such model; expected a folder, an id of the Hub "
        "(user/name), or a name"
    )
    raise BundleError(no_model(wanted, reason))


def no_model(word: str, reason: str) -> str:
    """A message about a word that means no model, and is no name either.

    It begins with the names like the word, and ends with where names come from.
    """
    near = difflib.get_close_matches(word, known_models(), n=3, cutoff=0.5)
    hint = f"{word}: did you mean {' or '.join(near)}? " if near else ""
    return (
        f"{hint}{reason}. '{word}' is no name either: 'nertune names' lists those built in and "
        f"those of your file ({_users_file() or _default_file()})"
    )


def _default_file() -> Path:
    config = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    return Path(config, "nertune", "models.yaml")


def _users_file() -> Path | None:
    given = os.environ.get("NERTUNE_MODELS")
    if not given:
        path = _default_file()
        return path if path.is_file() else None
    if not Path(given).is_file():
        raise BundleError(
            f"NERTUNE_MODELS={given}: there is no such file; expected a YAML file of names, as "
            "'es.ner: me/my-spanish-ner'. Correct the variable, or unset it"
        )
    return Path(given)


def _read(path: Path) -> Iterator[NamedModel]:
    """The names of a file, in order."""
    try:
        root = yaml.compose(path.read_text(encoding="utf-8"), yaml.SafeLoader)
    except (OSError, UnicodeDecodeError) as error:
        raise BundleError(f"{path}: cannot be read ({error}); expected YAML in UTF-8") from None
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}:{mark.line + 1}" if mark else str(path)
        why = getattr(error, "problem", None) or " ".join(str(error).split())
        raise BundleError(
            f"{where}: is not valid YAML ({why}); expected lines as 'press: runs/press'"
        ) from None
    if root is None or root.tag == "tag:yaml.org,2002:null":
        return
    if not isinstance(root, yaml.MappingNode):
        raise _fault(path, root, "holds no names; expected lines as 'press: runs/press'")
    lines: dict[str, int] = {}
    for key, _ in root.value:
        name, line = _name(path, key), key.start_mark.line + 1
        if name in lines:
            raise _fault(
                path, key, f"the name '{name}' stands in line {lines[name]} already; expected each "
                "name once: take one of them away"
            )  # fmt: skip
        lines[name] = line
    for (name, line), (_, value) in zip(lines.items(), root.value, strict=True):
        model = _model(path, name, value)
        if model in lines or model in BUILT_IN:
            raise _fault(
                path, value, f"'{name}' stands for '{model}', which is a name itself; expected a "
                "folder or an id of the Hub: write what that name stands for"
            )  # fmt: skip
        absent = "" if os.path.isabs(model) else _folder(path, model)
        yield NamedModel(name, model, f"{path}:{line}", absent)


def _fault(path: Path, node: yaml.Node, message: str) -> BundleError:
    return BundleError(f"{path}:{node.start_mark.line + 1}: {message}")


def _name(path: Path, key: yaml.Node) -> str:
    if key.tag != _STRING or not isinstance(key, yaml.ScalarNode):
        shown = f" '{key.value}'" if isinstance(key, yaml.ScalarNode) else ""
        raise _fault(
            path, key, f"the name{shown} is no string to YAML; expected one: put it in quotes"
        )
    if not _NAME.fullmatch(key.value):
        raise _fault(
            path, key, f"'{key.value}' is no name, but could be a path or a Hub id; expected "
            "letters and digits, and . - _ between them, as es.ner: choose such a name"
        )  # fmt: skip
    return str(key.value)


def _model(path: Path, name: str, value: yaml.Node) -> str:
    """The model meant: the whole path of a folder, or a Hub id as it stands."""
    if value.tag != _STRING or not isinstance(value, yaml.ScalarNode) or not value.value.strip():
        raise _fault(
            path, value, f"'{name}' stands for no string; expected a folder or an id of the Hub, "
            f"as '{name}: me/my-model@v2'"
        )  # fmt: skip
    model: str = value.value.strip()
    if "://" in model or any(category(char) in _UNPRINTED for char in model):
        raise _fault(
            path, value, f"'{name}' stands for {model!a}, which is neither a path nor a Hub id; "
            "expected a folder that this machine sees, or an id of the Hub, in one line without "
            "control characters"
        )  # fmt: skip
    folder = _folder(path, model)
    return folder if os.path.exists(folder) or _IS_PATH.match(model) else model


def _folder(path: Path, model: str) -> str:
    """The whole path of a folder that is named from where the file lies."""
    return os.path.abspath(path.parent / os.path.expanduser(model))
