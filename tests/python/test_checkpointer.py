"""Goal: a resumed training continues bit for bit, and never starts over in silence.

Method: loops with dropout, data order and schedule drawn from every generator, stopped and resumed.
"""

import random

import numpy as np
import pytest
import torch
from varve.torch import Checkpointer

from varve import errors


def train(lake, name, steps, every=5, seed=0):
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    model = torch.nn.Sequential(torch.nn.Linear(8, 32), torch.nn.ReLU(), torch.nn.Dropout(0.3), torch.nn.Linear(32, 8))
    model[3].bias = torch.nn.Parameter(model[3].bias.detach().clone())
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 100)
    extra = {"seen": 0}
    losses = {}
    with Checkpointer(
        lake, name, model=model, optimizer=optimizer, scheduler=scheduler, extra=extra, every=every
    ) as checkpoints:
        for step in range(checkpoints.resume() + 1, steps + 1):
            scale = random.random() + np.random.random()
            loss = (model(torch.randn(4, 8)) * scale - 1).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            scheduler.step()
            extra["seen"] += 4
            losses[step] = loss.item()
            checkpoints.step(step, {"loss": loss.item()})
    assert extra["seen"] == 4 * steps
    return losses, checkpoints


def test_resumed_losses_are_equal_bit_for_bit(lake):
    whole, checkpoints = train(lake, "whole", 40)
    assert len(checkpoints.lost_ms) == 8 and all(ms > 0 for ms in checkpoints.lost_ms)
    first, _ = train(lake, "stopped", 23, seed=0)
    assert checkpoints.last.report.version == 8
    # Steps 21 to 23 were lost; another seed shows that the restored random states are used.
    again, _ = train(lake, "stopped", 40, seed=99)
    assert min(again) == 21
    assert {**first, **again} == whole
    assert [v.step for v in lake.history("stopped")] == [40, 35, 30, 25, 20, 15, 10, 5]
    assert lake.history("whole")[0].metrics["loss"] == whole[40]


def test_a_damaged_newest_version_is_an_error_and_no_fresh_start(lake, tmp_path):
    train(lake, "m", 10)
    for pack in [p for p in (tmp_path / "lake" / "pack").rglob("*") if p.is_file()]:
        pack.unlink()
    with pytest.raises(errors.VarveError) as caught:
        Checkpointer(lake, "m", model=torch.nn.Linear(1, 1)).resume()
    assert caught.value.kind in ("corrupt", "not_found")


def test_what_is_no_checkpoint_is_not_resumed(lake):
    model = torch.nn.Linear(2, 2)
    assert Checkpointer(lake, "new", model=model).resume() == 0
    with pytest.raises(errors.NotFoundError):
        Checkpointer(lake, "new", model=model).resume("new@v1")
    lake.save("other", {"model": model.state_dict()})
    with pytest.raises(errors.InvalidError, match="not saved by a Checkpointer"):
        Checkpointer(lake, "other", model=model).resume()
    with Checkpointer(lake, "bare", model=model) as checkpoints:
        checkpoints.save(7)
    with pytest.raises(errors.InvalidError, match="has no optimizer"):
        Checkpointer(lake, "bare", model=model, optimizer=torch.optim.SGD(model.parameters())).resume()
    lake.forget("bare@v1")
    assert Checkpointer(lake, "bare", model=model).resume() == 0


def test_wrong_arguments(lake):
    with pytest.raises(errors.InvalidError, match="1:6: 'last' wants"):
        Checkpointer(lake, "x", model=None, keep="last 0")
    with pytest.raises(errors.InvalidError):
        Checkpointer(lake, "x", model=None, every=0)
