"""ONNX and TorchScript files of a recorded model."""

import io
import json
import warnings
from typing import Any

import torch

from bench.model_export.description import description
from bench.model_export.errors import ExportError
from bench.model_export.recording import check_pixels, compare, record
from bench.tuned import ModelInfo
from methods import Method

INPUT = "pixels"
OUTPUTS = ("logits", "probabilities")
OPSET = 17
"""The ONNX operator set: the first with layer norm, so that old runtimes can read the file."""
METADATA = "etl-bench.json"
"""Name of the description inside a TorchScript file."""


def torchscript(info: ModelInfo, method: Method[Any]) -> bytes:
    """A TorchScript file; `torch.jit.load` reads it without this package."""
    graph, model = record(info, method)
    text = json.dumps(_facts(info))
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            torch.jit.save(graph, buffer, _extra_files={METADATA: text})
        except RuntimeError as error:
            first = next(line for line in str(error).splitlines() if line.strip())
            raise ExportError(
                f"{info.spec.method} cannot be exported as torchscript ({first}). Use --format onnx."
            ) from None
        buffer.seek(0)
        loaded = torch.jit.load(buffer)  # type: ignore[no-untyped-call]
        with torch.no_grad():
            compare(info, "torchscript", [loaded(pixels)[0] for pixels in check_pixels(info)], model)
    return buffer.getvalue()


def onnx(info: ModelInfo, method: Method[Any]) -> bytes:
    """An ONNX file with any batch size, and its description as metadata."""
    modules = onnx_modules()
    graph, model = record(info, method)
    buffer = io.BytesIO()
    names = (INPUT, *OUTPUTS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter works on a recording, which torch calls legacy
        torch.onnx.export(
            graph,
            (check_pixels(info)[-1],),
            buffer,  # type: ignore[arg-type]  # the legacy exporter takes files in memory
            dynamo=False,
            opset_version=OPSET,
            input_names=[INPUT],
            output_names=list(OUTPUTS),
            dynamic_axes={name: {0: "batch"} for name in names},
        )
    made = modules["onnx"].load_from_string(buffer.getvalue())
    for key, value in _facts(info).items():
        made.metadata_props.add(key=key, value=value if isinstance(value, str) else json.dumps(value))
    content: bytes = made.SerializeToString()
    session = modules["onnxruntime"].InferenceSession(content, providers=["CPUExecutionProvider"])
    found = [torch.from_numpy(session.run([OUTPUTS[0]], {INPUT: p.numpy()})[0]) for p in check_pixels(info)]
    compare(info, "onnx", found, model)
    return content


def onnx_modules() -> dict[str, Any]:
    """Onnx and onnxruntime. Raises ExportError if they are not installed."""
    try:
        import onnx
        import onnxruntime
    except ImportError as error:
        raise ExportError(
            f"--format onnx needs {error.name}. Run `pip install 'clip-etl-bench[onnx]'`, or use --format torchscript."
        ) from None
    return {"onnx": onnx, "onnxruntime": onnxruntime}


def _facts(info: ModelInfo) -> dict[str, Any]:
    size = info.image_size
    return description(info) | {
        "input": f"{INPUT}: float32 (n, 3, {size}, {size}): resized, cropped, scaled to 0..1, (value - mean) / std",
        "outputs": "logits: float32 (n, classes); probabilities: softmax(logits / temperature)",
    }
