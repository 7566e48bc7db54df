"""recurzoo: a Keras model zoo of recurrent and weight-shared vision models, with pretrained weights.

The public names are imported when they are used; `import recurzoo` alone loads no backend. Keras knows the zoo's
classes once both are imported.
"""

from __future__ import annotations

import importlib
from importlib import metadata
from typing import TYPE_CHECKING, Any

from recurzoo.base.environment import import_after

if TYPE_CHECKING:
    from recurzoo import layers, models, sharing
    from recurzoo.analysis.analyze import analyze
    from recurzoo.analysis.anytime import anytime
    from recurzoo.analysis.features import features
    from recurzoo.analysis.reading import trajectory
    from recurzoo.analysis.readouts import fit_readouts, with_readouts
    from recurzoo.analysis.reproduction import reproduce
    from recurzoo.benchmarking import benchmark, benchmark_input
    from recurzoo.catalog.recipe import recipes
    from recurzoo.exporting import export
    from recurzoo.exporting.evaluating import evaluate_file
    from recurzoo.exporting.quantizing import quantize
    from recurzoo.families.swrn.pytorch import export_soft_sharing, import_soft_sharing
    from recurzoo.results.table import list_results
    from recurzoo.results.verify import verify
    from recurzoo.rewriting import consolidate, materialize, reestimate_batch_norm
    from recurzoo.rewriting.freeze import freeze, unfreeze
    from recurzoo.rewriting.outputs import output_names, with_outputs
    from recurzoo.training.run import train
    from recurzoo.zoo.deriving import fold, grow, plan_softening, soften
    from recurzoo.zoo.evaluating import evaluate
    from recurzoo.zoo.fetching import fetch
    from recurzoo.zoo.listing import info, list_models
    from recurzoo.zoo.loading import create, load
    from recurzoo.zoo.predicting import predict
    from recurzoo.zoo.publishing import publish
    from recurzoo.zoo.saving import save

__all__ = [
    "analyze",
    "anytime",
    "benchmark",
    "benchmark_input",
    "consolidate",
    "create",
    "evaluate",
    "evaluate_file",
    "export",
    "export_soft_sharing",
    "features",
    "fetch",
    "fit_readouts",
    "fold",
    "freeze",
    "grow",
    "import_soft_sharing",
    "info",
    "layers",
    "list_models",
    "list_results",
    "load",
    "materialize",
    "models",
    "output_names",
    "plan_softening",
    "predict",
    "publish",
    "quantize",
    "recipes",
    "reestimate_batch_norm",
    "reproduce",
    "save",
    "sharing",
    "soften",
    "train",
    "trajectory",
    "unfreeze",
    "verify",
    "with_outputs",
    "with_readouts",
]

_MODULES = {
    "analyze": "recurzoo.analysis.analyze",
    "anytime": "recurzoo.analysis.anytime",
    "benchmark": "recurzoo.benchmarking",
    "benchmark_input": "recurzoo.benchmarking",
    "consolidate": "recurzoo.rewriting",
    "create": "recurzoo.zoo.loading",
    "evaluate": "recurzoo.zoo.evaluating",
    "evaluate_file": "recurzoo.exporting.evaluating",
    "export": "recurzoo.exporting",
    "export_soft_sharing": "recurzoo.families.swrn.pytorch",
    "features": "recurzoo.analysis.features",
    "fetch": "recurzoo.zoo.fetching",
    "fit_readouts": "recurzoo.analysis.readouts",
    "fold": "recurzoo.zoo.deriving",
    "freeze": "recurzoo.rewriting.freeze",
    "grow": "recurzoo.zoo.deriving",
    "import_soft_sharing": "recurzoo.families.swrn.pytorch",
    "info": "recurzoo.zoo.listing",
    "list_models": "recurzoo.zoo.listing",
    "list_results": "recurzoo.results.table",
    "load": "recurzoo.zoo.loading",
    "materialize": "recurzoo.rewriting",
    "output_names": "recurzoo.rewriting.outputs",
    "plan_softening": "recurzoo.zoo.deriving",
    "predict": "recurzoo.zoo.predicting",
    "publish": "recurzoo.zoo.publishing",
    "quantize": "recurzoo.exporting.quantizing",
    "recipes": "recurzoo.catalog.recipe",
    "reestimate_batch_norm": "recurzoo.rewriting",
    "reproduce": "recurzoo.analysis.reproduction",
    "save": "recurzoo.zoo.saving",
    "soften": "recurzoo.zoo.deriving",
    "train": "recurzoo.training.run",
    "trajectory": "recurzoo.analysis.reading",
    "unfreeze": "recurzoo.rewriting.freeze",
    "verify": "recurzoo.results.verify",
    "with_outputs": "recurzoo.rewriting.outputs",
    "with_readouts": "recurzoo.analysis.readouts",
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


# So that `keras.saving.load_model` opens what `model.save` wrote.
import_after("keras", "recurzoo.models")
