from __future__ import annotations

import signal
import subprocess
import sys
from functools import partial

import psutil
import pytest
from processes import lives

from mirl.suite.orphans import die_with_parent, stop_with_parent, wait_for_group
from toy.driver import wait_until

CHILD = "import time; print('here', flush=True); time.sleep(60)"
PARENT = """
import os, subprocess, sys, time
from functools import partial
from mirl.suite import orphans
ask = getattr(orphans, sys.argv[1])
child = subprocess.Popen([sys.executable, "-c", sys.argv[2]], preexec_fn=partial(ask, os.getpid()))
print(child.pid, flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("ask", ["stop_with_parent", "die_with_parent"])
def test_a_child_ends_when_its_parent_is_killed(ask: str):
    parent = subprocess.Popen([sys.executable, "-c", PARENT, ask, CHILD], stdout=subprocess.PIPE, text=True)
    assert parent.stdout
    child = psutil.Process(int(parent.stdout.readline()))
    assert parent.stdout.readline() == "here\n"
    parent.kill()
    gone, alive = psutil.wait_procs([child], 10)
    assert gone
    assert not alive
    parent.communicate()


@pytest.mark.parametrize(("ask", "number"), [(stop_with_parent, signal.SIGTERM), (die_with_parent, signal.SIGKILL)])
def test_a_parent_that_died_before_the_kernel_was_asked_is_noticed(ask, number: int):
    dead = subprocess.Popen(["true"])
    dead.wait()
    done = subprocess.run(["sleep", "60"], preexec_fn=partial(ask, dead.pid), timeout=10)
    assert done.returncode == -number


def test_what_a_trainer_leaves_in_its_group_is_killed():
    script = "import subprocess, sys; print(subprocess.Popen(['sleep', '60']).pid, flush=True); sys.exit(3)"
    leader = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, process_group=0)
    assert wait_for_group(leader) == 3
    assert leader.stdout
    left = int(leader.stdout.readline())
    wait_until(lambda: not psutil.pid_exists(left) or not lives(psutil.Process(left)), 5)
