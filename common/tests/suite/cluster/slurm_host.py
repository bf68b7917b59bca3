"""A real Slurm of two nodes on this one machine: Debian's slurmctld, two slurmd, munge, and GPUs that are null devices.

Nothing is simulated but the hardware: jobs are queued, signalled, requeued and lost as on a large cluster. Needs root
and apt. A host that has a Slurm configuration is left alone.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import socket
import stat
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import psutil

PACKAGES = ("slurmctld", "slurmd", "slurm-client", "munge")
CONFIGURATION = Path("/etc/slurm/slurm.conf")
GRES = CONFIGURATION.with_name("gres.conf")
NODES = {"mirl-a": 17101, "mirl-b": 17102}
"""Each node's port."""
GPUS_A_NODE = 2
NULL_DEVICE = os.makedev(1, 3)
SLURM_CONF = """
ClusterName=mirl
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
SlurmctldPort=17100
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=10
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/%n.log
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
GresTypes=gpu
SlurmdTimeout=10
SlurmctldTimeout=30
KillWait=20
MinJobAge=600
ReturnToService=2
SchedulerParameters=sched_interval=2,bf_interval=2
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
{nodes}
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


class SlurmHost:
    """The daemons, their folder, and what can be done to them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.daemons: dict[str, subprocess.Popen[bytes]] = {}

    def start(self) -> None:
        """Write the configuration in its default place and start munge, the controller and both nodes."""
        (self.folder / "state").mkdir()
        for node in NODES:
            (self.folder / node).mkdir()
            for number in range(GPUS_A_NODE):
                os.mknod(self.folder / f"{node}.gpu{number}", stat.S_IFCHR | 0o600, NULL_DEVICE)
        host = socket.gethostname()
        nodes = "\n".join(
            f"NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs=8 RealMemory=32000 "
            f"Gres=gpu:{GPUS_A_NODE} State=UNKNOWN"
            for node, port in NODES.items()
        )
        CONFIGURATION.parent.mkdir(exist_ok=True)
        CONFIGURATION.write_text(SLURM_CONF.format(host=host, folder=self.folder, nodes=nodes))
        devices = f"{self.folder}/{{}}.gpu[0-{GPUS_A_NODE - 1}]"
        GRES.write_text("".join(f"NodeName={node} Name=gpu File={devices.format(node)}\n" for node in NODES))
        key = self.folder / "munge.key"
        key.write_bytes(secrets.token_bytes(128))
        key.chmod(0o400)
        self.launch(
            "munged", "munged", "--foreground", "--force", f"--socket={self.folder}/munge.socket", f"--key-file={key}",
            f"--pid-file={self.folder}/munge.pid", f"--log-file={self.folder}/munge.log",
            f"--seed-file={self.folder}/munge.seed",
        )  # fmt: skip
        wait_until(lambda: (self.folder / "munge.socket").exists(), 20)
        self.launch("slurmctld", "slurmctld", "-D", "-i")
        for node in NODES:
            self.start_node(node)
        wait_until(lambda: self.states() == dict.fromkeys(NODES, "idle"), 60)

    def launch(self, name: str, *command: str) -> None:
        with (self.folder / f"{name}.out").open("ab") as output:
            self.daemons[name] = subprocess.Popen(
                command, stdout=output, stderr=output, stdin=subprocess.DEVNULL, process_group=0
            )

    def start_node(self, node: str) -> None:
        self.launch(node, "slurmd", "-D", "-N", node)

    def states(self) -> dict[str, str]:
        """idle, mix, alloc, down … of each node; empty while the controller does not answer."""
        done = subprocess.run(
            ["sinfo", "--noheader", "--Node", "--format", "%N %t"], capture_output=True, text=True, timeout=30
        )
        return dict(line.split() for line in done.stdout.splitlines()) if done.returncode == 0 else {}

    def jobs(self) -> dict[str, tuple[str, str]]:
        """(state, node) of every job that the controller still remembers, by its number."""
        done = subprocess.run(
            ["squeue", "--states=all", "--noheader", "--format", "%i|%T|%N"], capture_output=True, text=True, check=True
        )
        rows = (line.split("|") for line in done.stdout.splitlines())
        return {job: (state, node) for job, state, node in rows}

    def wait_until_idle(self) -> None:
        """Start nodes that a test has lost, and wait until nothing is left in the queue."""
        for node in NODES:
            if self.daemons[node].poll() is not None:
                self.start_node(node)
        wait_until(lambda: not self.queue() and self.states() == dict.fromkeys(NODES, "idle"), 90)

    def queue(self) -> dict[str, tuple[str, str]]:
        """The jobs that have not ended."""
        active = ("PENDING", "RUNNING", "COMPLETING", "CONFIGURING", "SUSPENDED")
        return {number: job for number, job in self.jobs().items() if job[0] in active}

    def step_processes(self, node: str) -> list[psutil.Process]:
        """What runs on one node: all that Slurm started there, and the slurmstepd processes above it."""
        found = set()
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.environ().get("SLURMD_NODENAME") == node and process.pid != self.daemons[node].pid:
                    found.add(process)
                    found.update(above for above in process.parents() if above.name() == "slurmstepd")
        return list(found)

    def lose_node(self, node: str) -> None:
        """SIGKILL to one slurmd, as a machine that loses power: what ran on it is killed as well."""
        self.cut_off_node(node)
        while running := self.step_processes(node):
            for process in running:
                with contextlib.suppress(psutil.Error):
                    process.kill()
            psutil.wait_procs(running, 5)

    def cut_off_node(self, node: str) -> None:
        """SIGKILL to one slurmd alone: the controller gives the node up, and what runs there runs on."""
        self.daemons[node].kill()
        self.daemons[node].wait()

    def stop(self) -> None:
        """Cancel what is left, end the daemons and remove the configuration."""
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            subprocess.run(["scancel", "--full", "--signal=KILL", "--user=root"], capture_output=True, timeout=20)
        for node in NODES:
            for process in self.step_processes(node):
                with contextlib.suppress(psutil.Error):
                    process.kill()
        for daemon in reversed(self.daemons.values()):
            if daemon.poll() is None:
                daemon.terminate()
                try:
                    daemon.wait(10)
                except subprocess.TimeoutExpired:
                    daemon.kill()
                    daemon.wait()
        for path in (CONFIGURATION, GRES):
            path.unlink(missing_ok=True)


def install() -> list[str]:
    """Install what is missing of Slurm; returns the packages that were installed, to be removed again."""
    missing = [package for package in PACKAGES if not is_installed(package)]
    if missing:
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for words in (["update", "-q"], ["install", "-y", "--no-install-recommends", *missing]):
            subprocess.run(["apt-get", *words], check=True, capture_output=True, env=environment, timeout=600)
    return missing


def is_installed(package: str) -> bool:
    query = ["dpkg-query", "--show", "--showformat", "${Status}", package]
    return subprocess.run(query, capture_output=True, text=True).stdout.endswith("ok installed")


def remove(packages: Sequence[str]) -> None:
    if packages:
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        subprocess.run(
            ["apt-get", "purge", "-y", "--autoremove", *packages],
            check=True, capture_output=True, env=environment, timeout=600,
        )  # fmt: skip


def why_not() -> str:
    """Why no cluster can be made here; empty where it can."""
    if os.geteuid() != 0:
        return "needs root: slurmd switches users"
    if not shutil.which("apt-get"):
        return "needs apt"
    if CONFIGURATION.exists():
        return f"{CONFIGURATION} exists: this host has a Slurm of its own"
    return ""


@contextlib.contextmanager
def two_nodes(folder: Path) -> Iterator[SlurmHost]:
    """Install, start, and take everything away again."""
    installed = install()
    host = SlurmHost(folder)
    try:
        host.start()
        yield host
    finally:
        host.stop()
        remove(installed)


def wait_until(condition: Callable[[], object], limit_s: float) -> None:
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, f"waited {limit_s:.0f} s in vain"
        time.sleep(0.2)
