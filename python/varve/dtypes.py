"""Element types: torch and numpy on one side, names of the format on the other. Torch stays optional."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from .errors import CorruptError, UnsupportedError

__all__ = ["decode_special", "empty", "encode_special", "host_view", "is_tensor", "name_of", "refusal", "view_key"]

_TORCH = {
    "u8": "uint8", "i8": "int8", "u16": "uint16", "i16": "int16", "u32": "uint32", "i32": "int32", "u64": "uint64",
    "i64": "int64", "bool": "bool", "f16": "float16", "bf16": "bfloat16", "f32": "float32", "f64": "float64",
    "f8_e4m3fn": "float8_e4m3fn", "f8_e5m2": "float8_e5m2", "f8_e4m3fnuz": "float8_e4m3fnuz",
    "f8_e5m2fnuz": "float8_e5m2fnuz", "f8_e8m0fnu": "float8_e8m0fnu", "f4_e2m1x2": "float4_e2m1fn_x2",
    "c32": "complex32", "c64": "complex64", "c128": "complex128",
}
_NUMPY = {
    "u8": "uint8", "i8": "int8", "u16": "uint16", "i16": "int16", "u32": "uint32", "i32": "int32", "u64": "uint64",
    "i64": "int64", "bool": "bool", "f16": "float16", "f32": "float32", "f64": "float64", "c64": "complex64",
    "c128": "complex128",
}
_FROM_NUMPY = {value: key for key, value in _NUMPY.items()}


def _torch() -> Any:
    """The torch module: if anybody holds a tensor, it is loaded already."""
    return sys.modules.get("torch")


def _torch_names(torch: Any) -> dict[Any, str]:
    return {getattr(torch, name): key for key, name in _TORCH.items() if hasattr(torch, name)}


def is_tensor(value: Any) -> bool:
    torch = _torch()
    return torch is not None and isinstance(value, torch.Tensor)


def name_of(value: Any) -> str:
    """Name of the dtype of a tensor or array."""
    if is_tensor(value):
        return _torch_names(_torch())[value.dtype]
    return _FROM_NUMPY[value.dtype.name]


def refusal(value: Any) -> str:
    """Why a tensor or array cannot be stored, or "" when it can."""
    if is_tensor(value):
        torch = _torch()
        if value.layout != torch.strided:
            return f"a {value.layout} tensor; call .to_dense()"
        if value.is_meta:
            return "a meta tensor has no data"
        if value.dtype not in _torch_names(torch):
            return f"dtype {value.dtype} has no form here; dequantize it"
        if hasattr(value, "full_tensor"):
            return "a distributed tensor; save from one process or call .full_tensor()"
        return ""
    return "" if value.dtype.name in _FROM_NUMPY else f"numpy dtype {value.dtype} has no form here"


def view_key(value: Any) -> tuple[Any, ...] | None:
    """Equal for two tensors that are the same view of the same memory; None when it cannot be told."""
    if not is_tensor(value) or value.numel() == 0:
        return None
    return (value.device, value.data_ptr(), tuple(value.shape), value.stride(), value.dtype, value.is_conj(), value.is_neg())


def host_view(value: Any) -> tuple[Any, int, int, bool]:
    """Returns (owner, address, bytes, is_copy): row-major host memory; hold `owner` as long as it is read."""
    if is_tensor(value):
        detached = value.detach()
        if detached.is_conj():
            detached = detached.resolve_conj()
        if detached.is_neg():
            detached = detached.resolve_neg()
        host = detached.cpu().contiguous()
        copied = host.numel() > 0 and host.data_ptr() != value.data_ptr()
        return host, host.data_ptr() if host.numel() else 0, host.numel() * host.element_size(), copied
    array = value if value.dtype.byteorder in "=|<" else value.astype(value.dtype.newbyteorder("="))
    array = np.ascontiguousarray(array).reshape(value.shape)
    return array, array.ctypes.data if array.size else 0, array.nbytes, array is not value


def empty(form: str, dtype: str, shape: list[int]) -> tuple[Any, int]:
    """A fresh tensor ("T") or array ("A") and the address of its memory (0 when it has none)."""
    if form == "A":
        array = np.empty(shape, dtype=_NUMPY[dtype])
        return array, array.ctypes.data if array.size else 0
    import torch

    name = _TORCH.get(dtype, "")
    if not hasattr(torch, name):
        raise UnsupportedError(f"this torch has no dtype for '{dtype}'; upgrade torch")
    tensor = torch.empty(shape, dtype=getattr(torch, name))
    return tensor, tensor.data_ptr() if tensor.numel() else 0


def encode_special(value: Any) -> dict[str, Any] | None:
    """torch.Size, torch.dtype and torch.device as tree nodes; None for anything else."""
    torch = _torch()
    if torch is None:
        return None
    if isinstance(value, torch.Size):
        return {"size": [int(n) for n in value]}
    if isinstance(value, torch.dtype) and value in _torch_names(torch):
        return {"dtype": _torch_names(torch)[value]}
    if isinstance(value, torch.device):
        return {"device": str(value)}
    return None


def decode_special(form: str, body: Any) -> Any:
    import torch

    if form == "size":
        return torch.Size(body)
    if form == "dtype" and body in _TORCH:
        return getattr(torch, _TORCH[body])
    if form == "device":
        return torch.device(body)
    raise CorruptError(f"the state tree has a node of unknown form '{form}'; upgrade varve")
