"""What a model was made or measured on: the machine and the versions."""

from __future__ import annotations

import importlib
import importlib.util
import os
import platform
import sys
from collections.abc import Callable
from importlib import metadata
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

PACKAGES = ("recurzoo", "keras", "tensorflow", "jax", "torch", "numpy")


def import_quietly(package: str) -> None:
    """Keep a package from writing on standard error as it is imported, whenever that will be.

    TensorFlow greets every process with a page about what the machine lacks, which no setting turns off.
    """

    def quietly(run: Callable[[], None]) -> None:
        # Not only Python's own: the libraries write past it.
        kept = os.dup(2)
        with open(os.devnull, "w", encoding="utf-8") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        try:
            run()
        finally:
            os.dup2(kept, 2)
            os.close(kept)

    _Watch.over(package, quietly)


def import_after(package: str, module: str) -> None:
    """Import a module of ours as soon as a package is imported by others; at once, if it is already.

    Where the module's own package imports the other one, the module is left to it: half of it is not there yet.
    """

    def then_ours(run: Callable[[], None]) -> None:
        run()
        ours = f"{module.partition('.')[0]}."
        specs = [found.__spec__ for name, found in [*sys.modules.items()] if name.startswith(ours)]
        if not any(getattr(spec, "_initializing", False) for spec in specs):
            importlib.import_module(module)

    if package in sys.modules:
        importlib.import_module(module)
    else:
        _Watch.over(package, then_ours)


class _Watch(MetaPathFinder):
    """Has a package's code run by a function, when it is imported for the first time."""

    def __init__(self, package: str, around: Callable[[Callable[[], None]], None]):
        self.package, self.around = package, around

    @classmethod
    def over(cls, package: str, around: Callable[[Callable[[], None]], None]) -> None:
        watched = any(isinstance(finder, cls) and finder.package == package for finder in sys.meta_path)
        if package not in sys.modules and not watched:
            sys.meta_path.insert(0, cls(package, around))

    def find_spec(self, name: str, path: Any, target: Any = None) -> ModuleSpec | None:
        if name != self.package:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.loader is not None:
            run = spec.loader.exec_module
            spec.loader.exec_module = lambda module: self.around(lambda: run(module))  # type: ignore[method-assign]
        return spec


def describe_hardware() -> str:
    """The accelerators, if the backend has any, or else the processor and its cores."""
    names = accelerators()
    return f"{len(names)} x {names[0]}" if names else _processor()


def accelerators() -> list[str]:
    """The name of each accelerator that the backend has."""
    import keras

    backend = keras.backend.backend()
    if backend == "jax":
        import jax

        return [device.device_kind for device in jax.devices() if device.platform != "cpu"]
    if backend == "tensorflow":
        import tensorflow as tf

        devices = tf.config.list_physical_devices("GPU")
        return [tf.config.experimental.get_device_details(device).get("device_name", "GPU") for device in devices]
    if backend == "torch":
        import torch

        return [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
    return []


def cores() -> int:
    """How many of the processor's cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _processor() -> str:
    return f"{cores()} cores, {_cpu()}"


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.machine()


def computes_in_bfloat16() -> bool:
    """Whether the accelerator, or else the processor, has instructions for bfloat16.

    Where a processor has none, TensorFlow emulates it, five times slower than float32.
    """
    if accelerators():
        return True
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8").split()
    except OSError:
        return False
    # Of x86 and of Arm.
    return not {"avx512_bf16", "amx_bf16", "bf16"}.isdisjoint(flags)


def describe_versions() -> dict[str, str]:
    """Versions of Python, of this package and of what it computes with, and the backend in use."""
    import keras

    versions = {"python": platform.python_version(), "backend": keras.backend.backend()}
    for package in PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return versions
