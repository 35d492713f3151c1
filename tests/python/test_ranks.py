"""Goal: what ranks save apart loads as one state, in any process; what has no form is refused before anything is sent.

Method: two real processes of torch.distributed with DTensors on gloo, and ranks that are calls of one process.
"""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import varve
from varve import errors

ROOT = Path(__file__).parent.parent.parent
ENV = {**os.environ, "PYTHONPATH": str(ROOT / "python")}

RANK = """
import sys, torch, varve
import torch.distributed as dist
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import DTensor, Partial, Replicate, Shard, distribute_tensor

lake, store, rank = sys.argv[1], sys.argv[2], int(sys.argv[3])
dist.init_process_group("gloo", init_method="file://" + store, rank=rank, world_size=2)
mesh = init_device_mesh("cpu", (2,), mesh_dim_names=("dp",))
torch.manual_seed(0)  # The same whole tensors on both.
whole = {f"t{rows}": torch.randn(rows, 3) for rows in (1, 2, 5, 8)}
parameter = torch.nn.Parameter(distribute_tensor(torch.randn(7, 2, dtype=torch.bfloat16), mesh, [Shard(0)]))
state = {
    "model": {name: distribute_tensor(tensor, mesh, [Shard(0)]) for name, tensor in whole.items()} | {"p": parameter},
    "norm": distribute_tensor(torch.arange(4.0), mesh, [Replicate()]),
    "step": 9,
}
state["model"]["tied"] = state["model"]["t5"]
if rank == 0:
    state["rng"] = torch.arange(16, dtype=torch.uint8)
with varve.open(lake) as opened:
    for wrong in (distribute_tensor(torch.randn(4, 4), mesh, [Shard(1)]), DTensor.from_local(torch.ones(2), mesh, [Partial()])):
        try:
            opened.save_part("m", {"a": {"b": wrong}}, save_id="wrong", rank=rank, ranks=2)
            raise SystemExit("it was taken")
        except varve.errors.UnstorableError as error:
            assert "'a/b'" in str(error), error
    part = opened.save_part("m", state, save_id="9", rank=rank, ranks=2, step=9, aliases="last")
    tokens = [None, None]
    dist.all_gather_object(tokens, part.token)
    report = opened.join_parts("m", tokens)  # Both at once.
    print(report.version, report.commit_id)
dist.barrier()
dist.destroy_process_group()
"""


def test_two_processes_of_torch_distributed_save_one_version(tmp_path):
    varve.init(tmp_path / "lake")
    ranks = [
        subprocess.Popen([sys.executable, "-c", RANK, tmp_path / "lake", tmp_path / "store", str(rank)], env=ENV, stdout=subprocess.PIPE, text=True)
        for rank in range(2)
    ]
    said = [rank.communicate(timeout=240)[0].split() for rank in ranks]
    assert [rank.returncode for rank in ranks] == [0, 0]
    assert said[0] == said[1] and said[0][0] == "1"
    with varve.open(tmp_path / "lake") as lake:
        state = lake.load("m@last")
        torch.manual_seed(0)
        for rows in (1, 2, 5, 8):
            assert torch.equal(state["model"][f"t{rows}"], torch.randn(rows, 3))
        assert torch.equal(state["model"]["p"], torch.randn(7, 2, dtype=torch.bfloat16))
        assert state["model"]["tied"] is state["model"]["t5"]
        assert torch.equal(state["norm"], torch.arange(4.0))
        assert torch.equal(state["rng"], torch.arange(16, dtype=torch.uint8))
        assert state["step"] == 9
        assert lake.history("m")[0].step == 9
        assert lake.verify("m").damage == []


def ranks_of(lake, name, states, save_id="s"):
    return [lake.save_part(name, state, save_id=save_id, rank=i, ranks=len(states)).token for i, state in enumerate(states)]


def test_ranks_of_plain_tensors_and_arrays(tmp_path):
    varve.init(tmp_path / "lake")
    with varve.open(tmp_path / "lake") as lake:
        tokens = ranks_of(lake, "m", [{"a": np.arange(3), "both": torch.ones(2)}, {"b": torch.zeros(2), "both": torch.ones(2)}])
        with pytest.raises(errors.InvalidError, match="ranks=1"):
            lake.join_parts("m", tokens[:1])
        with pytest.raises(errors.NotFoundError):
            lake.load("m")
        report = lake.join_parts("m", reversed(tokens))
        assert (report.version, report.logical_bytes) == (1, 24 + 8 + 8)
        assert lake.join_parts("m", tokens).commit_id == report.commit_id
        assert len(lake.history("m")) == 1
        state = lake.load("m")
        assert state["a"].tolist() == [0, 1, 2] and set(state) == {"a", "both"}  # The form of rank 0's.
        into = {"b": torch.ones(2)}
        lake.load("m", into=into)
        assert into["b"].tolist() == [0, 0]


def test_what_is_no_place_or_disagrees_is_refused(tmp_path):
    varve.init(tmp_path / "lake")
    with varve.open(tmp_path / "lake") as lake:
        for rank, ranks, save_id in [(2, 2, "s"), (-1, 2, "s"), (0, 0, "s"), (0, 1, ""), (0, 65_537, "s"), ("0", 1, "s"), (0, 1, "s" * 1025)]:
            with pytest.raises(errors.InvalidError):
                lake.save_part("m", {"a": torch.ones(1)}, save_id=save_id, rank=rank, ranks=ranks)
        tokens = ranks_of(lake, "m", [{"a": torch.ones(2)}, {"a": torch.zeros(2)}])
        with pytest.raises(errors.ConflictError, match="rank 0 and rank 1"):
            lake.join_parts("m", tokens)
        with pytest.raises(errors.InvalidError, match="no token"):
            lake.join_parts("m", ["x"])
        with pytest.raises(errors.NotFoundError):
            lake.history("m")
