"""Builds the demo: a folder of static files that any host serves, with nothing left to do when it is opened.

    python docs/demo/build.py [--out build/demo]

It exports every shipped network that is small enough with one output a step, writes what the page shows of them
into `models.json`, and copies the page and ONNX Runtime beside them. It needs recurzoo[export] and npm.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import Any

# TensorFlow is talkative when it starts.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

import recurzoo
from recurzoo.analysis.similarity import measure_similarity
from recurzoo.analysis.subject import Subject
from recurzoo.base.files import draft
from recurzoo.checkpoints.record import headline
from recurzoo.tasks.grids import OBSTACLE_RATE, PHASES

PAGE = Path(__file__).parent
MANIFEST = "models.json"
STATIC = ("index.html", "README.md", "scripts", "styles", "pictures")
RUNTIME = "onnxruntime-web@1.30.0"
INTEGRITY = "sha512-q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ=="
MODULE, WASM = "ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm"
MOST_BYTES = 5_000_000
# From which similarity layers are folded, as the page's slider offers it before "not folded".
THRESHOLDS = tuple(round(0.5 + step / 20, 2) for step in range(10))


def build(out: Path) -> None:
    """Write the demo into a folder, in place of an earlier one."""
    if out.exists() and not (out / MANIFEST).is_file():
        raise FileExistsError(
            f"A demo replaces an earlier one alone. Received: --out {str(out)!r}; choose another folder"
        )
    out.parent.mkdir(parents=True, exist_ok=True)
    with draft(out) as folder:
        folder.mkdir()
        for name in STATIC:
            copy: Any = shutil.copytree if (PAGE / name).is_dir() else shutil.copy
            copy(PAGE / name, folder / name)
        manifest = {
            "version": recurzoo.__version__,
            "runtime": fetch_runtime(folder),
            "thresholds": THRESHOLDS,
            # How far apart the ends are at most, in the last phase of the curriculum.
            "grids": {"obstacle_rate": OBSTACLE_RATE, "reach": 2 * PHASES},
            "networks": export_networks(folder),
        }
        (folder / MANIFEST).write_text(json.dumps(manifest, separators=(",", ":")), encoding="utf-8")


def fetch_runtime(folder: Path) -> dict[str, Any]:
    """ONNX Runtime for browsers, from npm: its module, and its one WebAssembly file that needs no GPU."""
    vendor = folder / "vendor"
    vendor.mkdir()
    with tempfile.TemporaryDirectory() as place:
        command = ["npm", "pack", "--silent", RUNTIME]
        name = subprocess.run(command, cwd=place, check=True, capture_output=True, text=True).stdout.split()[-1]
        package = Path(place) / name
        digest = "sha512-" + base64.b64encode(hashlib.sha512(package.read_bytes()).digest()).decode()
        if digest != INTEGRITY:
            raise ValueError(f"{RUNTIME} is another than the one that was tested. Received: {digest}")
        with tarfile.open(package) as archive:
            for name in (MODULE, WASM):
                member = archive.extractfile(f"package/dist/{name}")
                assert member is not None
                (vendor / name).write_bytes(member.read())
    return {
        "name": RUNTIME.replace("@", " "),
        "module": f"vendor/{MODULE}",
        "wasm": f"vendor/{WASM}",
        "bytes": (vendor / WASM).stat().st_size,
    }


def export_networks(folder: Path) -> list[dict[str, Any]]:
    """Export the shipped networks and describe them: those of pictures before those of grids, the smallest first."""
    (folder / "models").mkdir()
    found = []
    for name in recurzoo.list_models(pretrained=True):
        file = folder / "models" / f"{name}.onnx"
        model = recurzoo.load(name)
        # Numbers of four bytes: what a page loads must not be large.
        if (needed := 4 * model.count_params()) > MOST_BYTES:
            print(f"{name}: left out, {needed:,} bytes")
            continue
        size = recurzoo.export(recurzoo.with_readouts(model), file).bytes
        print(f"{name}: {size:,} bytes")
        found.append({**describe(name, model), "file": f"models/{file.name}", "bytes": size})
    return sorted(found, key=lambda network: (len(network["class_names"]) == 1, network["bytes"]))


def describe(name: str, model: Any) -> dict[str, Any]:
    """What the page shows of a network, from its record and its layers."""
    info = recurzoo.info(name)
    score = headline(info.scores)
    # One image tells how many steps and operations it takes to each reading.
    labels = np.zeros((1, *model.output_shape[1:-1]), int)
    probe = recurzoo.anytime(model).probe(np.zeros((1, *model.input_shape[1:])), labels)
    return {
        "name": name,
        "input_shape": model.input_shape[1:],
        "class_names": info.class_names,
        "parameters": info.parameters,
        "sharing": info.sharing,
        "score": None if score is None else f"{score.rounded} {score.title} on {info.measured_on}",
        "paper": {"title": info.paper.title, "year": info.paper.year, "url": info.paper.url},
        "readouts": [
            {"state": state, "step": int(step), "alone": int(alone), "together": int(together)}
            for state, step, alone, together in zip(probe.names, probe.steps, probe.alone, probe.together, strict=True)
        ],
        "banks": describe_banks(name),
    }


def describe_banks(name: str) -> list[dict[str, Any]]:
    """Of each bank how alike its slots are, the kernel of each slot, and that after folding from each similarity on."""
    subject = Subject(name)
    banks = [bank for stage in subject.stages for bank in stage.banks if bank.slots > 1]
    folds = [measure_similarity(subject, threshold, epochs=()).banks for threshold in THRESHOLDS]
    return [
        {
            "name": bank.name,
            "similarity": np.round(bank.matrices[-1], 3).tolist(),
            "index": list(getattr(banks[place].sharing, "index", range(banks[place].slots))),
            "folds": [fold[place].index for fold in folds],
        }
        for place, bank in enumerate(folds[-1])
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=PAGE.parent.parent / "build" / "demo", help="the folder to write")
    build(parser.parse_args().out)
