"""recurzoo: a Keras model zoo of recurrent and weight-shared vision models, with pretrained weights.

The public names are imported when they are used; `import recurzoo` alone loads no backend.
"""

from __future__ import annotations

import importlib
from importlib import metadata
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from recurzoo import layers, models, sharing
    from recurzoo.benchmarking import benchmark
    from recurzoo.exporting import export
    from recurzoo.folding import consolidate, fold, materialize, reestimate_batch_norm
    from recurzoo.models.freezing import freeze
    from recurzoo.models.soft_sharing_state import export_soft_sharing, import_soft_sharing
    from recurzoo.registry.checkpoint import save
    from recurzoo.registry.listing import info, list_models
    from recurzoo.registry.loading import create, load
    from recurzoo.registry.publishing import publish

__all__ = [
    "benchmark",
    "consolidate",
    "create",
    "export",
    "export_soft_sharing",
    "fold",
    "freeze",
    "import_soft_sharing",
    "info",
    "layers",
    "list_models",
    "load",
    "materialize",
    "models",
    "publish",
    "reestimate_batch_norm",
    "save",
    "sharing",
]

_MODULES = {
    "benchmark": "recurzoo.benchmarking",
    "consolidate": "recurzoo.folding",
    "create": "recurzoo.registry.loading",
    "export": "recurzoo.exporting",
    "export_soft_sharing": "recurzoo.models.soft_sharing_state",
    "fold": "recurzoo.folding",
    "freeze": "recurzoo.models.freezing",
    "import_soft_sharing": "recurzoo.models.soft_sharing_state",
    "info": "recurzoo.registry.listing",
    "list_models": "recurzoo.registry.listing",
    "load": "recurzoo.registry.loading",
    "materialize": "recurzoo.folding",
    "publish": "recurzoo.registry.publishing",
    "reestimate_batch_norm": "recurzoo.folding",
    "save": "recurzoo.registry.checkpoint",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        value: Any = metadata.version("recurzoo")
    elif name in _MODULES:
        value = getattr(importlib.import_module(_MODULES[name]), name)
    elif name in __all__:
        value = importlib.import_module(f"recurzoo.{name}")
    else:
        raise AttributeError(f"module 'recurzoo' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
