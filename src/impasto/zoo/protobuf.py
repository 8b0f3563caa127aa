"""A strict reader of protocol-buffer messages: fields by number, nested messages left as bytes.

Unknown fields are refused, and fields that appear too often: two readers must never see two
different models in one file. `impasto.zoo.onnx_wire` knows what the fields mean.
Wire format: protobuf.dev/programming-guides/encoding.
"""

import struct
from collections.abc import Container

from impasto.errors import ModelFileError

MAX_FIELDS = 500_000
"""A file with more is refused; our largest network has some thousands."""

MAX_NUMBERS = 64
"""The most numbers in one repeated field."""

_MAX_FIELD_NUMBER = 2**29 - 1
_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5

Value = int | memoryview | bytes
"""A number; the bytes of a text, a nested message or packed numbers; or four or eight bytes of
fixed width, as `bytes`: readers skip a field of another wire type than they expect."""

Message = dict[int, list[Value]]


class MessageReader:
    """Reads messages and counts their fields, so that a small file cannot cause much work."""

    def __init__(self) -> None:
        self._fields_left = MAX_FIELDS

    def read(self, buffer: memoryview, *, known: Container[int], name: str) -> Message:
        """All fields of one message by number, in their order; nested messages stay bytes.

        Args:
            buffer: of the message.
            known: numbers of the fields that it may have.
            name: of the message, for errors.

        Raises:
            ModelFileError: malformed, or a field that is not known.
        """
        fields: Message = {}
        position, end = 0, len(buffer)
        while position < end:
            # Over all messages of a file: a limit for each would let many small ones pass.
            self._fields_left -= 1
            if self._fields_left < 0:
                raise malformed(f"there are more than {MAX_FIELDS} fields")
            tag, position = _varint(buffer, position)
            value, position = _value(buffer, position, tag & 7)
            number = tag >> 3
            if not 1 <= number <= _MAX_FIELD_NUMBER:
                raise malformed(f"there is a field with the number {number}")
            if number not in known:
                raise malformed(f"{name} has the field {number}, which no Impasto model has")
            fields.setdefault(number, []).append(value)
        return fields


def malformed(why: str) -> ModelFileError:
    """The error for a malformed ONNX file."""
    return ModelFileError(f"not a sound ONNX file ({why}); get the model file again")


def one(fields: Message, number: int) -> Value | None:
    """The value of a field that may appear once; None where it is absent.

    Raises:
        ModelFileError: it appears more often.
    """
    values = fields.get(number)
    if values is None:
        return None
    if len(values) > 1:
        # By the standard the last value counts. A reader that takes the first would see another
        # model.
        raise malformed(f"the field {number} appears {len(values)} times instead of once")
    return values[0]


def as_bytes(value: Value | None) -> memoryview:
    """The bytes of a field, none where it is absent.

    Raises:
        ModelFileError: it holds a number.
    """
    if value is None:
        return memoryview(b"")
    if not isinstance(value, memoryview):
        raise malformed("a number stands where bytes should be")
    return value


def as_integer(value: Value | None) -> int:
    """The number of a field, with its sign; 0 where it is absent.

    Raises:
        ModelFileError: it holds bytes.
    """
    if value is None:
        return 0
    if not isinstance(value, int):
        raise malformed("bytes stand where a number should be")
    return _signed(value)


def as_text(value: Value | None) -> str:
    """The text of a field, empty where it is absent.

    Raises:
        ModelFileError: it holds a number, or bytes that are not UTF-8.
    """
    try:
        return str(as_bytes(value), "utf-8")
    except UnicodeDecodeError:
        raise malformed("a text is not valid UTF-8") from None


def as_float(value: Value | None) -> float:
    """The float32 of a field, 0 where it is absent.

    Raises:
        ModelFileError: it does not hold four bytes of fixed width.
    """
    if value is None:
        return 0.0
    if not isinstance(value, bytes) or len(value) != 4:
        raise malformed("something else stands where a float should be")
    return float(struct.unpack("<f", value)[0])


def as_integers(values: list[Value]) -> tuple[int, ...]:
    """Whole numbers from single fields or packed ones, with their signs.

    Raises:
        ModelFileError: malformed, or more than `MAX_NUMBERS`.
    """
    # proto2, in which ONNX is written, puts numbers into fields of their own; other writers pack
    # them. A reader must take both.
    numbers: list[int] = []
    for value in values:
        if isinstance(value, memoryview):
            position = 0
            # Stops at the limit: a field of megabytes must not become a list of numbers first.
            while position < len(value) and len(numbers) <= MAX_NUMBERS:
                number, position = _varint(value, position)
                numbers.append(_signed(number))
        else:
            numbers.append(as_integer(value))
    if len(numbers) > MAX_NUMBERS:
        raise malformed(f"there are more than {MAX_NUMBERS} numbers in a row")
    return tuple(numbers)


def as_floats(values: list[Value]) -> tuple[float, ...]:
    """float32 numbers from single fields or packed ones.

    Raises:
        ModelFileError: not whole floats, or more than `MAX_NUMBERS`.
    """
    data = b"".join(v if isinstance(v, bytes) else as_bytes(v) for v in values)
    if len(data) % 4 or len(data) > 4 * MAX_NUMBERS:
        raise malformed(f"a row of floats has {len(data)} bytes")
    return struct.unpack(f"<{len(data) // 4}f", data)


def _signed(number: int) -> int:
    # An int64 travels as the unsigned number of the same bits.
    return number - 2**64 if number >= 2**63 else number


def _value(buffer: memoryview, position: int, wire_type: int) -> tuple[Value, int]:
    """One field's value and the position after it."""
    if wire_type == _VARINT:
        return _varint(buffer, position)
    if wire_type == _LENGTH:
        length, position = _varint(buffer, position)
    elif wire_type in (_FIXED32, _FIXED64):
        length = 4 if wire_type == _FIXED32 else 8
    else:
        # Types 3 and 4 are groups, which are deprecated and which no ONNX writer uses.
        raise malformed(f"there is a field of the wire type {wire_type}")
    end = position + length
    if end > len(buffer):
        raise malformed("a field runs past its end, so the file is probably cut short")
    content = buffer[position:end]
    return (content if wire_type == _LENGTH else bytes(content)), end


def _varint(buffer: memoryview, position: int) -> tuple[int, int]:
    """An unsigned 64-bit number and the position after it."""
    if position < len(buffer) and buffer[position] < 0x80:  # nearly all of them
        return buffer[position], position + 1
    number = 0
    # Ten bytes of seven bits: a negative int64 takes all of them.
    for shift in range(0, 70, 7):
        if position >= len(buffer):
            raise malformed("a number runs past its end, so the file is probably cut short")
        byte = buffer[position]
        position += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            break
    else:
        raise malformed("a number has more than ten bytes")
    # Some readers cut the upper bits of the tenth byte off: two would see two numbers.
    if number >= 2**64:
        raise malformed("a number has more than 64 bits")
    return number, position
