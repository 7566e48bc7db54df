"""What int8 costs, and what the formats' own quantizers make of the same networks: the table of docs/folding.md.

`python examples/int8.py DATA [NAME ...] [--limit N]`, where DATA is CIFAR-10 as `recurzoo evaluate` takes it, the names
those of the networks to measure, by default all, and N how many test images to measure on, all 10,000 by default. The
others, ONNX Runtime's `quantize_static` and TensorFlow's LiteRT converter, are given the network as it is traced, its
steps unrolled, and the same images to calibrate on.
"""

# ruff: noqa: E402
import argparse
import os
import sys
import tempfile
from pathlib import Path

from recurzoo.base.environment import import_quietly

# TensorFlow is talkative when it starts.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import_quietly("tensorflow")

import numpy as np
import onnx
import tensorflow
import tf2onnx

import recurzoo
from recurzoo.exporting import formats, onnx_int8
from recurzoo.exporting.exporter import CALIBRATION
from recurzoo.exporting.inference import inference_function
from recurzoo.exporting.int8 import quiet
from recurzoo.exporting.quantizing import THRESHOLD, folded_for_int8
from recurzoo.exporting.runtime import BATCH, time_ratio
from recurzoo.tasks.task import open_task
from recurzoo.zoo.evaluating import model_and_record

NAMES = ("rc-4-w16", "frnn-3-t5-w16", "resnet-24-relaxed-all", "preresnet-50-ubn", "wrn-22-1", "swrn-22-1-2")
PAIRS = 15


def others_onnx(model, path: Path, images: np.ndarray) -> None:
    function = inference_function(model)
    proto, _ = tf2onnx.convert.from_function(function, input_signature=function.input_signature, opset=18)
    onnx.save(onnx_int8.quantize(proto, images), path)


def others_litert(model, path: Path, images: np.ndarray) -> None:
    function = inference_function(model).get_concrete_function()
    converter = tensorflow.lite.TFLiteConverter.from_concrete_functions([function], tensorflow.Module())
    converter.optimizations = [tensorflow.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([image[None]] for image in images)
    converter.target_spec.supported_ops = [tensorflow.lite.OpsSet.TFLITE_BUILTINS_INT8]
    path.write_bytes(converter.convert())


def main(data: str, names: list[str], limit: int | None) -> None:
    print("| network | format | float32 | int8 | theirs | bytes float32 | int8 | theirs | time int8 by float32 |")
    print("|---|---|---|---|---|---|---|---|---|")
    for name in names or NAMES:
        model, record = model_and_record(name)
        task = open_task(data, model, record, train=True, limit=limit)
        test = task.test
        images = task.sample(None, CALIBRATION)
        title, network, unrolled = name, folded_for_int8(model, task, record), model
        if network is not model:
            # The others are given its own kernels: of a folded one's scaled kernels TensorFlow's optimizer aborts.
            title, unrolled = f"{name}, folded at {THRESHOLD}", recurzoo.materialize(model)
        for format, make_others in (("onnx", others_onnx), ("litert", others_litert)):
            with tempfile.TemporaryDirectory() as folder:
                suffix = formats.FORMATS[format].suffix
                paths = [Path(folder, kind + suffix) for kind in ("float32", "int8", "others")]
                recurzoo.export(network, paths[0], format)
                recurzoo.export(network, paths[1], format, int8=images)
                try:
                    with quiet():
                        make_others(unrolled, paths[2], images)
                except Exception as error:
                    print(f"{title}, {format}: theirs fails: {type(error).__name__}", file=sys.stderr)
                runtimes = [formats.FORMATS[format].load(path) for path in paths if path.exists()]
                scores = [f"{task.score(each.run_all(test.images), test.labels):.2%}" for each in runtimes]
                sizes = [f"{path.stat().st_size:,}" for path in paths if path.exists()]
                missing = ["-"] * (3 - len(runtimes))
                ratio = f"{time_ratio(runtimes[1], runtimes[0], BATCH, PAIRS):.2f}"
                print("|", " | ".join([title, format, *scores, *missing, *sizes, *missing, ratio]), "|", flush=True)


parser = argparse.ArgumentParser()
parser.add_argument("data")
parser.add_argument("names", nargs="*")
parser.add_argument("--limit", type=int)
main(**vars(parser.parse_args()))
