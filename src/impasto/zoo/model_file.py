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
from impasto.zoo.onnx_wire import FLOAT32, Node, OnnxSummary, ValueInfo, read_onnx

MODEL_METADATA_KEY = "impasto.card"
"""Key of the card's JSON in the ONNX file's metadata."""

MAX_MODEL_BYTES = 512 * 2**20
"""Larger files are refused; the shipped style has less than one megabyte."""

# Standard operators (domain ai.onnx) that compute a picture from a picture, by the least number of
# inputs they need (onnx.defs): OpenVINO 2026.4 crashes on a convolution without a kernel. Control
# flow, random numbers, texts, sequences and everything of a vendor's own stay out.
_OPERATORS_BY_LEAST_INPUTS = {
    0: "Constant",
    1: """
        Abs Acos Acosh ArgMax ArgMin Asin Asinh Atan Atanh AveragePool BitwiseNot Cast Ceil Celu
        Clip Concat ConstantOfShape Cos Cosh DepthToSpace Dropout DynamicQuantizeLinear Einsum
        Elu Erf Exp EyeLike Flatten Floor Gelu GlobalAveragePool GlobalLpPool GlobalMaxPool
        HardSigmoid HardSwish Identity IsInf IsNaN LRN LeakyRelu Log LogSoftmax LpNormalization
        LpPool Max MaxPool Mean MeanVarianceNormalization Min Mish Neg NonZero Not Reciprocal
        ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd
        ReduceSum ReduceSumSquare Relu Resize Round Selu Shape Shrink Sigmoid Sign Sin Sinh Size
        Softmax Softplus Softsign SpaceToDepth Split Sqrt Squeeze Sum Swish Tan Tanh
        ThresholdedRelu Transpose Trilu""",
    2: """
        Add AffineGrid And BitShift BitwiseAnd BitwiseOr BitwiseXor CastLike CenterCropPad
        Compress Conv ConvInteger ConvTranspose CumSum DequantizeLinear Div Equal Expand Gather
        GatherElements GatherND Gemm Greater GreaterOrEqual GridSample LayerNormalization Less
        LessOrEqual MatMul MatMulInteger Mod Mul Or PRelu Pad Pow QuantizeLinear
        RMSNormalization Reshape ReverseSequence Sub Tile TopK Unsqueeze Xor""",
    3: """
        DeformConv GroupNormalization InstanceNormalization OneHot Range ScatterElements
        ScatterND Slice Where""",
    5: "BatchNormalization",
    8: "QLinearConv QLinearMatMul",
}
ALLOWED_OPERATORS = {
    name: least for least, names in _OPERATORS_BY_LEAST_INPUTS.items() for name in names.split()
}
"""Operators a model may use, with the least number of inputs each needs."""


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
    for node in summary.nodes:
        _check_node(node)
    if len(summary.inputs) != 1 or len(summary.outputs) != 1:
        raise ModelFileError(
            f"it has {len(summary.inputs)} inputs and {len(summary.outputs)} outputs, expected "
            f"one picture in and one out; use a model that was made by 'impasto train'"
        )
    _check_picture("input", summary.inputs[0])
    _check_picture("output", summary.outputs[0])


def _check_node(node: Node) -> None:
    if node.operator not in ALLOWED_OPERATORS:
        raise ModelFileError(
            f"it uses the operator {node.operator[:80]!r}, expected only standard image "
            f"operators; use a model that was made by 'impasto train'"
        )
    least = ALLOWED_OPERATORS[node.operator]
    if len(node.inputs) < least or "" in node.inputs[:least]:
        raise ModelFileError(
            f"its operator {node.operator} lacks one of {least} inputs; get the model file again"
        )


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
