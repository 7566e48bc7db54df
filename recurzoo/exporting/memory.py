"""The memory of an inference, taken by this file as a program, in a process that holds nothing else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any


def peak_memory(path: Path, format: str, shape: tuple[int, ...]) -> int | None:
    """By how many bytes a process grows at most while it loads a file and answers for one image.

    Args:
        path: of the file.
        format: str, `"onnx"` or `"litert"`.
        shape: `(height, width, channels)` of the image.

    Returns:
        int, bytes; None of other formats, and where the system does not tell: Linux does.
    """
    if format not in LOADERS:
        return None
    # Without the program's own folder, which has modules named as the runtimes are.
    command = [sys.executable, "-P", __file__, format, str(path), *map(str, shape)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    return int(ended.stdout) if ended.returncode == 0 else None


def _load_onnx() -> Any:
    import numpy as np
    import onnxruntime

    onnxruntime.disable_telemetry_events()

    def run(path: str, shape: list[int]) -> None:
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        given = session.get_inputs()[0]
        dtype = "uint8" if "uint8" in given.type else "float32"
        session.run(None, {given.name: np.zeros((1, *shape), dtype)})

    return run


def _load_litert() -> Any:
    import numpy as np
    from ai_edge_litert.interpreter import Interpreter

    def run(path: str, shape: list[int]) -> None:
        interpreter = Interpreter(path)
        given = interpreter.get_input_details()[0]
        interpreter.resize_tensor_input(given["index"], (1, *shape))
        interpreter.allocate_tensors()
        interpreter.set_tensor(given["index"], np.zeros((1, *shape), given["dtype"]))
        interpreter.invoke()

    return run


LOADERS = {"onnx": _load_onnx, "litert": _load_litert}


def _kilobytes(name: str) -> int:
    """A line of what Linux tells of this process."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(name)).split()[1])


def _measure(format: str, path: str, shape: list[int]) -> int:
    run = LOADERS[format]()
    # Sets the peak back to what is held now.
    Path("/proc/self/clear_refs").write_text("5")
    before = _kilobytes("VmRSS")
    run(path, shape)
    return 1024 * (_kilobytes("VmHWM") - before)


if __name__ == "__main__":
    print(_measure(sys.argv[1], sys.argv[2], [int(size) for size in sys.argv[3:]]))
