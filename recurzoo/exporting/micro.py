"""C for LiteRT for Microcontrollers: an int8 LiteRT file as an array, as the interpreter for chips runs it."""

from __future__ import annotations

import os
import re
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import keras
import numpy as np

from recurzoo.exporting import litert
from recurzoo.exporting.destination import C_START
from recurzoo.exporting.inference import INPUT, OUTPUT
from recurzoo.exporting.runtime import Runtime

# More than any chip has: what an inference takes of it is told.
MOST_ARENA = 64 * 2**20

TEMPLATE = """{start} a network in int8 for LiteRT for Microcontrollers.
   {input} and {output}: int8; {input} are pixels less 128, one picture at a time.
   Operators: {operators}. */
#ifdef __cplusplus
extern "C" {{
#define RECURZOO_ALIGNED alignas(16)
#else
#define RECURZOO_ALIGNED _Alignas(16)
#endif
extern const unsigned char recurzoo_model[];
extern const unsigned int recurzoo_model_size;
RECURZOO_ALIGNED const unsigned char recurzoo_model[] = {{
{rows}
}};
const unsigned int recurzoo_model_size = {size}u;
#ifdef __cplusplus
}}
#endif
"""


def write_int8(model: keras.Model, path: Path, images: np.ndarray, input_dtype: str) -> None:
    """Write a file of C or C++ that defines `recurzoo_model` and `recurzoo_model_size`."""
    content = litert.int8_content(model, images, "int8", one_by_one=True)
    operators = ", ".join(f"{name} {count}" for name, count in sorted(litert.operators_of(content).items()))
    rows = (", ".join(f"0x{byte:02x}" for byte in content[i : i + 16]) + "," for i in range(0, len(content), 16))
    text = TEMPLATE.format(
        start=C_START.decode(), input=INPUT, output=OUTPUT, operators=operators, rows="\n".join(rows), size=len(content)
    )
    path.write_text(text)


def load(path: Path) -> Runtime:
    """Load a file's array into the interpreter for microcontrollers, built for this machine."""
    from tflite_micro.python.tflite_micro import runtime

    content = _array(path)
    interpreter = runtime.Interpreter.from_bytes(content, arena_size=MOST_ARENA)
    ends = interpreter.get_input_details(0), interpreter.get_output_details(0)
    given, result = (end["quantization_parameters"] for end in ends)

    def run(images: np.ndarray) -> np.ndarray:
        scaled = images / given["scales"][0] + given["zero_points"][0]
        outputs = []
        for image in np.clip(np.round(scaled), -128, 127).astype("int8"):
            interpreter.set_input(image[None], 0)
            interpreter.invoke()
            outputs.append(interpreter.get_output(0))
        return (np.concatenate(outputs).astype("float32") - result["zero_points"][0]) * result["scales"][0]

    shape = tuple(int(size) for size in ends[0]["shape"][1:])
    name = f"tflite-micro {version('tflite-micro')}"
    return Runtime(name, shape, run, litert.operators_of(content), _arena_bytes(interpreter))


def array_size(path: Path) -> int:
    """The bytes of a file's array, which is what a chip stores."""
    return len(_array(path))


def _array(path: Path) -> bytes:
    return bytes.fromhex(re.sub(r"0x|[,\s]", "", path.read_text().split("= {\n")[1].split("}")[0]))


def _arena_bytes(interpreter: Any) -> int | None:
    """The memory that the interpreter has laid out; it tells so on the process's standard error, and nowhere else."""
    with tempfile.TemporaryFile() as file:
        before = os.dup(2)
        os.dup2(file.fileno(), 2)
        try:
            interpreter.print_allocations()
        finally:
            os.dup2(before, 2)
            os.close(before)
        file.seek(0)
        found = re.search(rb"Arena allocation total (\d+) bytes", file.read())
    return int(found[1]) if found else None
