"""What one process holds of a distributed tensor: rows of it, or all. Torch stays optional."""

from __future__ import annotations

from typing import Any, NamedTuple

__all__ = ["Slab", "is_distributed", "slab_of"]


class Slab(NamedTuple):
    """`local` is all of the tensor when `rows` is None, else those from `first_row` on of `rows`."""

    local: Any
    first_row: int = 0
    rows: int | None = None


def is_distributed(value: Any) -> bool:
    """Whether `value` is a torch DTensor."""
    return hasattr(value, "full_tensor") and hasattr(value, "placements")


def slab_of(value: Any) -> Slab | str:
    """This process's share of a DTensor, or why it has no form."""
    cut = None
    for axis, placement in enumerate(value.placements):
        if placement.is_replicate():
            continue
        # A class that derives from Shard divides otherwise.
        if not placement.is_shard() or type(placement).__name__ != "Shard" or placement.dim % max(value.ndim, 1) != 0:
            return f"a distributed tensor placed as {placement}; ranks may divide one by rows, Shard(0), and no other way"
        if cut is not None:
            return "a distributed tensor whose rows are divided twice; ranks may divide them along one mesh dimension"
        cut = axis
    place = value.device_mesh.get_coordinate()
    if place is None:
        return "a distributed tensor of a mesh without this process"
    local = value.to_local()
    if hasattr(local, "wait"):
        local = local.wait()  # A collective that is still under way.
    if cut is None:
        return Slab(local)
    # As torch divides: as many rows for each as for the others, but for the last ones.
    rows = int(value.shape[0])
    each = -(-rows // value.device_mesh.size(cut))
    first_row = min(rows, each * place[cut])
    if tuple(local.shape) != (min(each, rows - first_row), *value.shape[1:]):
        return f"a distributed tensor of {tuple(value.shape)} that has {tuple(local.shape)} here; its rows are divided unevenly"
    return Slab(local, first_row, rows)
