from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from mirl.config import ConfigError
from mirl.suite.driver_lock import SILENT_S, driver_lock

LOCK = ".driver.json"


def leave_lock(folder: Path, host: str, pid: int, started: float, age_s: float = 0.0) -> None:
    path = folder / LOCK
    path.write_text(json.dumps({"host": host, "pid": pid, "started": started}))
    os.utime(path, (time.time() - age_s,) * 2)


def owner_pid(folder: Path) -> int:
    pid: int = json.loads((folder / LOCK).read_text())["pid"]
    return pid


def test_a_lock_is_gone_when_its_block_ends(tmp_path: Path):
    with driver_lock(tmp_path):
        assert owner_pid(tmp_path) == os.getpid()
    assert not (tmp_path / LOCK).exists()


def test_a_living_driver_is_respected(tmp_path: Path):
    other = psutil.Process(os.getppid())
    leave_lock(tmp_path, socket.gethostname(), other.pid, other.create_time())
    with (
        pytest.raises(ConfigError, match=f"driven by another mirl reproduce \\(process {other.pid}"),
        driver_lock(tmp_path),
    ):
        pass
    assert (tmp_path / LOCK).exists()


def test_a_dead_drivers_lock_is_taken_over(tmp_path: Path):
    leave_lock(tmp_path, socket.gethostname(), 2**22 + 1, 0.0)
    with driver_lock(tmp_path):
        assert owner_pid(tmp_path) == os.getpid()


def test_a_process_id_that_was_given_to_somebody_else_does_not_keep_a_lock(tmp_path: Path):
    leave_lock(tmp_path, socket.gethostname(), os.getpid(), started=1.0)
    with driver_lock(tmp_path):
        assert owner_pid(tmp_path) == os.getpid()


def test_on_another_host_the_heartbeat_decides(tmp_path: Path):
    leave_lock(tmp_path, "elsewhere", 1, 0.0)
    with pytest.raises(ConfigError, match="on elsewhere"), driver_lock(tmp_path):
        pass
    leave_lock(tmp_path, "elsewhere", 1, 0.0, age_s=SILENT_S + 1)
    with driver_lock(tmp_path):
        assert owner_pid(tmp_path) == os.getpid()


def test_a_dead_driver_that_nobody_has_reaped_yet_is_dead(tmp_path: Path):
    child = subprocess.Popen(["true"])
    started = psutil.Process(child.pid).create_time()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    leave_lock(tmp_path, socket.gethostname(), child.pid, started)
    with driver_lock(tmp_path):
        assert owner_pid(tmp_path) == os.getpid()
    child.wait()


def test_a_driver_that_was_replaced_while_it_slept_leaves_the_new_ones_lock(tmp_path: Path):
    with driver_lock(tmp_path):
        leave_lock(tmp_path, "elsewhere", 1, 0.0)
    assert owner_pid(tmp_path) == 1


@pytest.mark.parametrize("torn", ['{"host": ', "[]", '{"host": "here"}', "7"])
def test_a_torn_lock_is_taken_over(tmp_path: Path, torn: str):
    (tmp_path / LOCK).write_text(torn)
    with driver_lock(tmp_path):
        assert owner_pid(tmp_path) == os.getpid()
