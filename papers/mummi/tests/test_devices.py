"""What a card would change of an update, on a machine without one: XLA, half precision, and where it is placed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from toy_agents import learnt, made_up_batch, small_agent

pytestmark = pytest.mark.slow  # three minutes on one core, most of them XLA's

METHODS = ("mummi", "cvrl", "dreamer")
TWO_DEVICES = """
import sys; sys.path.insert(0, sys.argv[2])
from mummi.framework import tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
import numpy as np
from toy_agents import learnt, made_up_batch, small_agent
found = []
for place in ("CPU:0", "CPU:1"):
    with tf.device(place):
        agent = small_agent(sys.argv[1])
        found.append(agent.learn([learnt(agent, made_up_batch(agent.config))], 0))
        places = {variable.device.rpartition(":")[2] for variable in agent.variables}
        assert places == {place[-1]}, "a variable is elsewhere"
assert found[0].keys() == found[1].keys()
for name, value in found[0].items():
    np.testing.assert_allclose(found[1][name], value, rtol=1e-5, atol=1e-6, err_msg=name)
print("equal")
"""


def losses(method: str, **changes: object) -> dict[str, float]:
    """Of one update on a made-up batch, the first of a new agent."""
    agent = small_agent(method, **changes)
    found = agent.learn([learnt(agent, made_up_batch(agent.config))], 0)
    return {name: float(value[0]) for name, value in found.items() if name.startswith("loss/")}


@pytest.mark.parametrize("method", METHODS)
def test_xla_comes_to_the_same(method: str):
    plain, compiled = losses(method), losses(method, jit_compile=True)
    assert plain
    assert compiled == pytest.approx(plain, rel=1e-3, abs=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_half_precision_comes_close(method: str):
    whole, half = losses(method), losses(method, precision=16)
    assert all(np.isfinite(list(half.values())))
    assert half == pytest.approx(whole, rel=2e-2, abs=1e-2)
    assert half != whole, "nothing was computed in half precision"


@pytest.mark.parametrize("method", METHODS)
def test_an_update_may_be_placed_on_another_device(method: str):
    words = [sys.executable, "-c", TWO_DEVICES, method, str(Path(__file__).parent)]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.strip() == "equal"
