"""Goal: a kill at any moment loses nothing that was acknowledged and shows nothing by half.

Method: real processes put folders whose bytes follow from a number, two at a time, while a third gets a version; one put
and the get are killed with SIGKILL at random moments of their lives. Every version is then read back and compared, the old
ones are let go, and a collector is killed on its way through what all the dead left. VARVE_CRASH_ROUNDS uploads and as many
downloads are hit; VARVE_CRASH_SEED repeats a run's choices.
"""

import json
import os
import random
import shutil
import signal
import subprocess
import time

import pytest
from rounds import COMMAND, check_lake, command, content, is_large, put_command, read, write

import varve

ROUNDS = int(os.environ.get("VARVE_CRASH_ROUNDS", "8"))
SEED = int(os.environ.get("VARVE_CRASH_SEED", random.SystemRandom().randrange(1 << 32)))
PER_CHECK = 25  # Rounds until everything is read back and the old versions make room.


@pytest.fixture(params=["folder", "s3"])
def lake(request, tmp_path):
    if request.param == "s3":
        where = f"{request.getfixturevalue('s3_server')['VARVE_TEST_S3']}-kill-{SEED}"
    else:
        where = str(tmp_path / "lake")
    made = command("init", where)
    assert made.returncode == 0, made.stderr
    return where


class Loop:
    """One lake under fire, and what it acknowledged."""

    def __init__(self, lake, folder):
        self.lake, self.folder = lake, folder
        self.chance = random.Random(SEED)
        self.acknowledged = {}  # Version -> step.
        self.killed = {"put": 0, "get": 0, "gc": 0}
        self.aim = {"put": 1.0, "get": 1.0}  # Shares of those lives in which a kill still meets one: machines get faster.
        self.next_number = 1
        # By size, how long a put and a get live when nobody kills them.
        self.put_s, self.get_s = {}, {}
        for version, number in enumerate((1, 2, 5, 6), 1):
            process, began = self.put(number), time.monotonic()
            self.end_put(process, number)
            self.put_s[is_large(number)] = time.monotonic() - began
            process, began = self.get(version), time.monotonic()
            self.end_get(process, version)
            self.get_s[is_large(number)] = time.monotonic() - began
        self.next_number = 9

    def put(self, number):
        source = write(self.folder / f"from-{number}", number)
        return subprocess.Popen(put_command(self.lake, source, number), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                text=True)

    def end_put(self, process, number):
        said, errors = process.communicate(timeout=300)
        assert process.returncode in (0, -signal.SIGKILL), errors
        self.killed["put"] += process.returncode == -signal.SIGKILL
        if said.endswith("}\n"):  # What was told before the end was acknowledged.
            self.acknowledged[json.loads(said)["version"]] = number
        else:
            assert process.returncode != 0
        shutil.rmtree(self.folder / f"from-{number}")

    def get(self, version):
        return subprocess.Popen([COMMAND, "get", f"model@v{version}", self.folder / "got", "--lake", self.lake],
                                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

    def end_get(self, process, version):
        errors = process.communicate(timeout=300)[1]
        assert process.returncode in (0, -signal.SIGKILL), errors
        self.killed["get"] += process.returncode == -signal.SIGKILL
        got = self.folder / "got"
        assert got.exists() or process.returncode != 0
        if got.exists():
            assert read(got) == content(self.acknowledged[version]), "it appeared by half"
            shutil.rmtree(got)
        for left in self.folder.glob("got.varve-*"):
            shutil.rmtree(left)

    def round(self):
        numbers = (self.next_number, self.next_number + 1)
        self.next_number += 2
        version = self.chance.choice(list(self.acknowledged))
        put_s, get_s = self.put_s[is_large(numbers[0])], self.get_s[is_large(self.acknowledged[version])]
        puts = [self.put(number) for number in numbers]
        get = self.get(version)
        before = dict(self.killed)
        kills = [(self.chance.uniform(0, put_s * self.aim["put"]), puts[0]), (self.chance.uniform(0, get_s * self.aim["get"]), get)]
        began = time.monotonic()
        for at_s, process in sorted(kills, key=lambda each: each[0]):
            time.sleep(max(0, began + at_s - time.monotonic()))
            process.send_signal(signal.SIGKILL)  # The other put goes on, and must not be held up.
        for number, process in zip(numbers, puts):
            self.end_put(process, number)
        self.end_get(get, version)
        for kind in self.aim:
            met = self.killed[kind] > before[kind]
            self.aim[kind] = min(1.5, self.aim[kind] * 1.05) if met else max(0.1, self.aim[kind] * 0.93)

    def check(self):
        with varve.open(self.lake) as opened:
            steps = check_lake(opened, self.folder)
        assert self.acknowledged.items() <= steps.items(), "an acknowledged version is gone or another"
        assert len(set(steps.values())) == len(steps), "one put, two versions"
        return steps

    def let_go(self, steps):
        """Forgets all but the newest versions, and kills collectors until one comes through."""
        newest = [version for version in sorted(steps) if version in self.acknowledged][-4:]
        with varve.open(self.lake) as opened:
            for each in opened.history("model", limit=100_000):
                if each.version not in newest and each.forgotten is None:
                    opened.forget(f"model@v{each.version}", grace_s=0)
        self.acknowledged = {version: self.acknowledged[version] for version in newest}
        for patience_s in (0.05, 0.1, 0.2, 0.4, 300):
            collector = subprocess.Popen([COMMAND, "gc", self.lake, "--apply", "--force", "--grace", "0s"],
                                         stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            try:
                errors = collector.communicate(timeout=self.chance.uniform(0, patience_s) if patience_s < 300 else 300)[1]
            except subprocess.TimeoutExpired:
                collector.kill()
                errors = collector.communicate()[1]
            assert collector.returncode in (0, -signal.SIGKILL), errors
            self.killed["gc"] += collector.returncode == -signal.SIGKILL
        assert collector.returncode == 0


def test_kill_9_at_any_moment(lake, tmp_path):
    print(f"VARVE_CRASH_SEED={SEED}")
    loop = Loop(lake, tmp_path)
    rounds = 0
    while min(loop.killed["put"], loop.killed["get"]) < ROUNDS:
        assert rounds < 3 * ROUNDS + 10, f"too few were hit: {loop.killed}"
        loop.round()
        rounds += 1
        if rounds % PER_CHECK == 0:
            loop.let_go(loop.check())
            loop.check()
    loop.let_go(loop.check())
    loop.check()
    # The next writer removes what the dead left; nothing of it was ever visible.
    last = loop.put(10**6)
    loop.end_put(last, 10**6)
    loop.check()
    private = tmp_path / "lake" / ".tmp"
    assert not private.exists() or list(private.iterdir()) == []
    print(f"killed: {loop.killed} in {rounds} rounds")
