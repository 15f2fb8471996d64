"""Which runtime runs a bundle: torch, or the graph of `nertune export` where there is one."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from nertune.bundle import Bundle, fingerprint
from nertune.cores import free_cores
from nertune.errors import BundleError, DependencyError

if TYPE_CHECKING:
    from nertune.runtimes.onnx import OnnxRuntime
    from nertune.runtimes.torch import TorchRuntime

RuntimeName = Literal["auto", "torch", "onnx", "onnx-int8"]
Precision = Literal["fp32", "bf16", "fp16"]

_DRIVERS = ("nvidiactl", "kfd", "dxg", "nvmap")


def choose_runtime(
    bundle: Bundle,
    name: RuntimeName = "auto",
    device: str | None = None,
    threads: int | None = None,
    precision: Precision = "fp32",
) -> TorchRuntime | OnnxRuntime:
    """The runtime of that name; `auto` takes the fastest there is.

    auto: torch where a device or a precision is asked for, or there is a GPU; else the int8 graph,
    the fp32 graph, torch; graphs of other tools are left alone. threads: cores to use; none given:
    those that are free. A graph without the weights it was made of is taken at its word; beside
    other weights it is refused.
    Raises BundleError, DependencyError.
    """
    for what, value, kinds in (("runtime", name, RuntimeName), ("precision", precision, Precision)):
        if value not in get_args(kinds):
            raise BundleError(f"{what}={value!r}: expected one of {', '.join(get_args(kinds))}")
    if threads is not None and (not isinstance(threads, int) or threads < 1):
        raise BundleError(f"threads={threads!r}: expected at least 1, or None for the free cores")
    if name not in ("auto", "torch") and (device not in (None, "cpu") or precision != "fp32"):
        raise BundleError(
            f"runtime={name!r} runs on processors and in the precision of its file; leave device "
            "and precision out, or take runtime='torch'"
        )
    if name == "torch":
        return _torch(bundle, device, threads, precision)
    if name != "auto":
        return _asked_for(bundle, name, threads)
    if device is None and precision == "fp32" and _installed("onnxruntime") and not _gpu():
        for kind in ("onnx-int8", "onnx"):
            if kind in bundle.graphs:
                runtime = _onnx(bundle, kind, threads)
                if runtime.tags:
                    return _checked(bundle, runtime)
    return _torch(bundle, device, threads, precision)


def _asked_for(bundle: Bundle, name: str, threads: int | None) -> OnnxRuntime:
    if name not in bundle.graphs:
        has = ", ".join(["torch"] * bool(bundle.weights) + list(bundle.graphs)) or "none"
        flag = " --int8" if name == "onnx-int8" else ""
        raise BundleError(
            f"{bundle.folder}: has no graph for the runtime {name} (it has: {has}); write it with "
            f"'nertune export {bundle.folder}{flag}'"
        )
    return _checked(bundle, _onnx(bundle, name, threads))


def _onnx(bundle: Bundle, name: str, threads: int | None) -> OnnxRuntime:
    try:
        from nertune.runtimes.onnx import OnnxRuntime
    except ModuleNotFoundError as error:
        raise DependencyError(error.name or "onnxruntime", "onnx", "The ONNX runtime") from error
    return OnnxRuntime(bundle.graphs[name], threads or free_cores(), name)


def _checked(bundle: Bundle, runtime: OnnxRuntime) -> OnnxRuntime:
    """A graph that belongs to the bundle."""
    tags, weights = bundle.settings.tags, bundle.weights
    if runtime.tags and runtime.tags != tags:
        _refuse(runtime.graph, "names other tags than the model")
    if runtime.weights and weights and runtime.weights != fingerprint(weights):
        _refuse(runtime.graph, f"was made of other weights than {weights.name}")
    runtime.check(len(tags))
    return runtime


def _refuse(path: Path, what: str) -> None:
    raise BundleError(
        f"{path}: {what}; it belongs to another model. Write it again with 'nertune export', or "
        "delete it"
    )


def _torch(
    bundle: Bundle, device: str | None, threads: int | None, precision: Precision
) -> TorchRuntime:
    if bundle.weights is None:
        raise BundleError(
            f"{bundle.folder}: holds no weights for torch, only {', '.join(bundle.graphs)}; "
            + ("take that runtime" if _installed("onnxruntime") else "pip install 'nertune[onnx]'")
        )
    try:
        import torch

        from nertune.model import load_model
        from nertune.runtimes.torch import TorchRuntime
    except ModuleNotFoundError as error:
        raise DependencyError(error.name or "torch", "train", "Loading a model") from error
    # torch does not look at the quota of a control group, and would be slowed down by it.
    torch.set_num_threads(threads or min(torch.get_num_threads(), free_cores()))
    place = device or ("cuda" if torch.cuda.is_available() else "cpu")
    model: Any = load_model(bundle)
    return TorchRuntime(model.float(), place, precision)  # weights may be stored in half precision


def _installed(package: str) -> bool:
    try:
        return importlib.util.find_spec(package) is not None
    except ValueError:  # a package that was taken out by hand
        return False


def _gpu() -> bool:
    """Whether torch can use a GPU; torch is not loaded where the machine has none."""
    if sys.platform == "linux" and not any(Path(f"/dev/{name}").exists() for name in _DRIVERS):
        return False
    if not _installed("torch"):
        return False
    import torch

    return torch.cuda.is_available()
