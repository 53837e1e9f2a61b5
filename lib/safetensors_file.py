"""Files of tensors in the format ``safetensors``: eight bytes, a header in JSON, numbers. Nothing in them can run."""

from __future__ import annotations

import json

import torch
from torch import Tensor

_TYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}


def read_safetensors(content: bytes) -> dict[str, Tensor]:
    """The tensors of a file by name.

    Parameters
    ----------
    content : of the file: the length of the header as 8 bytes, the smallest first; the header, name -> type, shape and
        the range of bytes that hold the numbers; then these, counted from the end of the header.

    Raises
    ------
    ValueError, KeyError
        If it is not such a file, or a number of bytes does not fit its shape.
    """
    start = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:start])
    # The file's author may have left words of his own.
    header.pop("__metadata__", None)
    found = {}
    for name, told in header.items():
        low, high = (start + place for place in told["data_offsets"])
        kind = _TYPES[told["dtype"]]
        part = bytearray(content[low:high])
        if len(part) != high - low:
            raise ValueError(f"The numbers of {name} are cut off.")
        numbers = torch.frombuffer(part, dtype=kind) if part else torch.empty(0, dtype=kind)
        found[name] = numbers.reshape(told["shape"])
    return found
