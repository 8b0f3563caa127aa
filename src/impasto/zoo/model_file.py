"""Model files: one ONNX file each, holding graph, weights and card.

A file is judged here before any runtime opens it: whole, ours, self-contained, of known
operators. Reading it needs neither torch nor onnx nor a runtime.
"""

import hashlib
import os
from dataclasses import dataclass, field
from pathlib import Path

from impasto.errors import ModelFileError
from impasto.zoo.card import ModelCard
from impasto.zoo.onnx_wire import FLOAT32, OnnxSummary, ValueInfo, read_onnx

MODEL_METADATA_KEY = "impasto.card"
"""Key of the card's JSON in the ONNX file's metadata."""

MAX_MODEL_BYTES = 512 * 2**20
"""Larger files are refused; the shipped style has less than one megabyte."""

# Standard operators (domain ai.onnx) that compute a picture from a picture. Control flow, random
# numbers, texts, sequences and everything of a vendor's own stay out.
_OPERATORS = {
    "element by element": """
        Abs Acos Acosh Add And Asin Asinh Atan Atanh BitShift BitwiseAnd BitwiseNot BitwiseOr
        BitwiseXor Cast CastLike Ceil Clip Cos Cosh Div Dropout Equal Erf Exp Floor Greater
        GreaterOrEqual Identity IsInf IsNaN Less LessOrEqual Log Max Mean Min Mod Mul Neg Not Or
        Pow Reciprocal Round Sign Sin Sinh Sqrt Sub Sum Tan Where Xor""",
    "activation": """
        Celu Elu Gelu HardSigmoid HardSwish LeakyRelu LogSoftmax Mish PRelu Relu Selu Shrink
        Sigmoid Softmax Softplus Softsign Swish Tanh ThresholdedRelu""",
    "convolution, pooling and product": """
        AveragePool Conv ConvInteger ConvTranspose DeformConv Einsum Gemm GlobalAveragePool
        GlobalLpPool GlobalMaxPool LpPool MatMul MatMulInteger MaxPool QLinearConv QLinearMatMul""",
    "normalisation and quantisation": """
        BatchNormalization DequantizeLinear DynamicQuantizeLinear GroupNormalization
        InstanceNormalization LRN LayerNormalization LpNormalization MeanVarianceNormalization
        QuantizeLinear RMSNormalization""",
    "over axes": """
        ArgMax ArgMin CumSum ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean
        ReduceMin ReduceProd ReduceSum ReduceSumSquare TopK""",
    "shape, size and place": """
        AffineGrid CenterCropPad Compress Concat Constant ConstantOfShape DepthToSpace Expand
        EyeLike Flatten Gather GatherElements GatherND GridSample NonZero OneHot Pad Range Reshape
        Resize ReverseSequence ScatterElements ScatterND Shape Size Slice SpaceToDepth Split
        Squeeze Tile Transpose Trilu Unsqueeze Upsample""",
}
ALLOWED_OPERATORS = frozenset(name for group in _OPERATORS.values() for name in group.split())


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A verified model file.

    Attributes:
        path: where it was read from; None for bytes from memory.
        data: the ONNX file's bytes.
        card: what it says about itself.
        sha256: of the bytes, hexadecimal.
    """

    path: Path | None
    data: bytes = field(repr=False, compare=False)
    card: ModelCard = field(repr=False, compare=False)
    sha256: str

    def __str__(self) -> str:
        """How messages call the model: its file, or its name."""
        return str(self.path) if self.path is not None else self.card.name


def read_model_file(path: str | os.PathLike[str]) -> ModelFile:
    """Read a model file and check everything that can be checked without running it.

    Raises:
        ModelFileError: the file is missing, unreadable, empty, larger than `MAX_MODEL_BYTES`,
            damaged, not ours, of a newer format, or uses external data or unknown operators.
    """
    path = Path(path)
    return model_from_bytes(_read_bytes(path), path=path)


def model_from_bytes(data: bytes, *, path: Path | None = None) -> ModelFile:
    """Check the bytes of a model file; `path` is what messages call it.

    Raises:
        ModelFileError: as `read_model_file`.
    """
    try:
        summary = read_onnx(data)
        if MODEL_METADATA_KEY not in summary.metadata:
            raise ModelFileError(
                "an ONNX model, but not one of Impasto's: it carries no model card; "
                "use a model that was made by 'impasto train'"
            )
        card = ModelCard.from_json(summary.metadata[MODEL_METADATA_KEY])
        _check_graph(summary)
    except ModelFileError as error:
        raise ModelFileError(f"{path or 'the model'}: {error}") from None
    return ModelFile(path=path, data=data, card=card, sha256=hashlib.sha256(data).hexdigest())


def _read_bytes(path: Path) -> bytes:
    try:
        if not path.is_file():
            kind = "is no regular file" if path.exists() else "is not there"
            raise ModelFileError(f"{path}: expected a model file (.onnx), but it {kind}")
        with path.open("rb") as file:
            num_bytes = os.fstat(file.fileno()).st_size
            data = file.read() if num_bytes <= MAX_MODEL_BYTES else b""
    except OSError as error:
        raise ModelFileError(f"{path}: cannot be read ({error.strerror}); check the file") from None
    if num_bytes > MAX_MODEL_BYTES:
        raise ModelFileError(
            f"{path}: the file has {num_bytes} bytes, no Impasto model has more than "
            f"{MAX_MODEL_BYTES}; use a model that was made by 'impasto train'"
        )
    if not data:
        raise ModelFileError(f"{path}: the file is empty; get the model file again")
    return data


def _check_graph(summary: OnnxSummary) -> None:
    if summary.has_external_data:
        raise ModelFileError(
            "its weights lie in another file (external data), an Impasto model is one file; "
            "export it again with the weights inside"
        )
    if unknown := sorted(summary.operators - ALLOWED_OPERATORS):
        raise ModelFileError(
            f"it uses the operator {unknown[0][:80]!r}, expected only standard image operators; "
            f"use a model that was made by 'impasto train'"
        )
    if len(summary.inputs) != 1 or len(summary.outputs) != 1:
        raise ModelFileError(
            f"it has {len(summary.inputs)} inputs and {len(summary.outputs)} outputs, expected "
            f"one picture in and one out; use a model that was made by 'impasto train'"
        )
    _check_picture("input", summary.inputs[0])
    _check_picture("output", summary.outputs[0])


def _check_picture(role: str, value: ValueInfo) -> None:
    """Pictures are float32 N×3×H×W with open H and W; outputs need not state a shape."""
    is_picture = value.data_type == FLOAT32
    if value.shape is not None:
        is_picture &= len(value.shape) == 4 and value.shape[1] in (3, None)
    if role == "input":
        is_picture &= value.shape is not None and value.shape[2:] == (None, None)
    if not is_picture:
        raise ModelFileError(
            f"its {role} {value.name[:60]!r} is not float32 N×3×H×W of any height and width; "
            f"use a model that was made by 'impasto train'"
        )
