"""Element types: torch and numpy on one side, names of the format on the other. Torch stays optional."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from .errors import CorruptError, ResourceError, UnsupportedError

__all__ = [
    "NUMPY_NAMES", "assign", "decode_special", "empty", "encode_special", "host_view", "is_tensor", "memory_of", "name_of", "refusal",
    "target_refusal", "view_key",
]

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
NUMPY_NAMES = frozenset(_FROM_NUMPY)


def _torch() -> Any:
    """The torch module: if anybody holds a tensor, it is loaded already."""
    return sys.modules.get("torch")


def _torch_names(torch: Any) -> dict[Any, str]:
    return {getattr(torch, name): key for key, name in _TORCH.items() if hasattr(torch, name)}


def is_tensor(value: Any) -> bool:
    """Whether `value` is a torch tensor of any class."""
    torch = _torch()
    return torch is not None and isinstance(value, getattr(torch, "Tensor", ()))


def name_of(value: Any) -> str:
    """Name of the dtype of a tensor or array that `refusal` accepts."""
    if is_tensor(value):
        return _torch_names(_torch())[value.dtype]
    return _FROM_NUMPY[value.dtype.name]


def refusal(value: Any) -> str:
    """Why a tensor or array cannot be stored, or "" when it can."""
    if not is_tensor(value):
        if type(value) not in (np.ndarray, np.memmap):
            return f"{type(value).__qualname__} holds more than an array; save its parts"
        return "" if value.dtype.name in _FROM_NUMPY else f"numpy dtype {value.dtype} has no form without pickle"
    torch = _torch()
    if hasattr(value, "full_tensor"):
        return "a distributed tensor; save it by ranks, with save_part, or call .full_tensor()"
    if type(value) not in (torch.Tensor, torch.nn.Parameter, getattr(torch.nn, "Buffer", torch.Tensor)):
        return f"tensor class {type(value).__qualname__} holds more than a tensor; save its parts"
    if value.layout != torch.strided:
        return f"a tensor of layout {value.layout}; call .to_dense()"
    if value.device.type == "meta":
        return "a meta tensor has no data"
    if value.dtype not in _torch_names(torch):
        return f"dtype {value.dtype} has no form here; dequantize it"
    return ""


def target_refusal(value: Any) -> str:
    """Why a tensor or array cannot be filled in place, or "" when it can."""
    if is_tensor(value):
        overlaps = any(stride == 0 and size > 1 for stride, size in zip(value.stride(), value.shape))
        return "an expanded tensor, whose elements share memory" if overlaps else ""
    return "" if value.flags.writeable else "a read-only array"


def view_key(value: Any) -> tuple[Any, ...] | None:
    """Equal for two tensors that are the same view of the same memory; None when it cannot be told."""
    if not is_tensor(value) or value.numel() == 0:
        return None
    shape, stride = tuple(value.shape), value.stride()
    return (value.device, value.data_ptr(), shape, stride, value.dtype, value.is_conj(), value.is_neg())


def memory_of(value: Any) -> int:
    """Address of the row-major host memory of a tensor or array itself; 0 when it has none such."""
    if is_tensor(value):
        if value.device.type != "cpu" or not value.is_contiguous() or value.is_conj() or value.is_neg():
            return 0
        return int(value.data_ptr()) if value.numel() else 0
    if not value.flags.c_contiguous or not value.dtype.isnative or not value.size:
        return 0
    return int(value.ctypes.data)


def _plain(tensor: Any) -> Any:
    """A view of one-byte elements as u8, which every operation knows."""
    torch = _torch()
    return tensor.view(torch.uint8) if tensor.element_size() == 1 and tensor.dtype != torch.bool else tensor


def host_view(value: Any) -> tuple[Any, int, int, bool]:
    """Returns (owner, address, bytes, is_copy): row-major host memory; hold `owner` as long as it is read.

    Blocks while a device copies. Copies what is on a device, not contiguous, conjugated or of foreign byte order.
    """
    if is_tensor(value):
        count = value.numel() * value.element_size()
        address = memory_of(value)
        if address or not count:
            return value, address, count, False
        host = _plain(value.detach().resolve_conj().resolve_neg()).cpu().contiguous()
        return host, host.data_ptr(), count, True
    address = memory_of(value)
    if address or not value.size:
        return value, address, value.nbytes, False
    array = np.array(value, dtype=value.dtype.newbyteorder("="), order="C", copy=True)
    return array, array.ctypes.data, array.nbytes, True


def empty(form: str, dtype: str, shape: list[int]) -> Any:
    """A fresh tensor ("T") or array ("A") on the host, row-major.

    Raises:
        UnsupportedError: this torch or numpy has no such dtype. ResourceError: no memory.
    """
    try:
        if form == "A":
            if dtype not in _NUMPY:
                raise CorruptError(f"numpy has no dtype '{dtype}', yet the tree calls it an array")
            return np.empty(shape, dtype=_NUMPY[dtype])
        import torch

        if not hasattr(torch, _TORCH.get(dtype, "")):
            raise UnsupportedError(f"this torch has no dtype for '{dtype}'; upgrade torch")
        return torch.empty(shape, dtype=getattr(torch, _TORCH[dtype]), device="cpu")
    except (MemoryError, ValueError, RuntimeError) as error:
        raise ResourceError(f"cannot hold {dtype} {shape}: {error}") from None


def assign(target: Any, fresh: Any) -> None:
    """Copies a host tensor or array into another of the same shape and dtype, on any device."""
    if not is_tensor(target):
        target[...] = fresh
        return
    source = fresh if is_tensor(fresh) else _torch().from_numpy(fresh)
    # resolve_conj of a conjugated view would be a copy, so such a target is written through copy_.
    if target.is_conj() or target.is_neg():
        target.detach().copy_(source)
    else:
        _plain(target.detach()).copy_(_plain(source))


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
    """The inverse of encode_special."""
    if form == "size" and isinstance(body, list):
        import torch

        return torch.Size(body)
    if form == "dtype" and isinstance(body, str) and body in _TORCH:
        import torch

        if not hasattr(torch, _TORCH[body]):
            raise UnsupportedError(f"this torch has no dtype for '{body}'; upgrade torch")
        return getattr(torch, _TORCH[body])
    if form == "device" and isinstance(body, str):
        import torch

        return torch.device(body)
    raise UnsupportedError(f"the state tree has a node of form '{form[:40]}' that this varve does not know; upgrade varve")
