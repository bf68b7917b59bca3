"""Check a built image as its user meets it: no network, a read-only root, no rights, and the promises of its labels.

    make image-check PAPER=mime DEVICE=cpu

One line a check; exit code 1 where one fails, 2 where there is nothing to check with.
"""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from build import papers, size_mib

from mirl.config import ConfigError
from mirl.suite import containers
from mirl.suite.venvs import DEVICES

LIMIT_MIB = {"mummi": 3500}
"""Most that a cpu image may take; LIMIT_OTHERS_MIB where a paper is not named."""
LIMIT_OTHERS_MIB = 2500
LABELS = ("title", "description", "version", "revision", "licenses")
LIST_PACKAGES = "import importlib.metadata as m, json; print(json.dumps([d.name for d in m.distributions()]))"
PATIENCE_S = 900.0


class BrokenPromiseError(Exception):
    """A promise that the image does not keep, in one line."""


@dataclass(frozen=True)
class Image:
    """An image, the tool that runs it, and a folder for its results."""

    tool: str
    paper: str
    device: str
    results: Path

    @property
    def name(self) -> str:
        return containers.image_name(self.paper, self.device)

    def inspect(self) -> dict[str, Any]:
        found = json.loads(containers.quiet(self.tool, "image", "inspect", self.name).stdout)[0]
        return dict(found)

    def command(self, *words: str, entrypoint: str | None = None, name: str | None = None) -> list[str]:
        """`run` without network, with nothing writable but /results and /tmp."""
        options = ["--rm", "--network", "none", "--read-only", "--tmpfs", "/tmp:exec"]
        options += ["--volume", f"{self.results}:/results"]
        options += ["--entrypoint", entrypoint] if entrypoint else []
        options += ["--name", name] if name else []
        return [self.tool, "run", *options, self.name, *words]

    def output(self, *words: str, entrypoint: str | None = None) -> str:
        """What the image printed. Raises BrokenPromiseError where it ended with an error."""
        command = self.command(*words, entrypoint=entrypoint)
        done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=PATIENCE_S)
        if done.returncode != 0:
            last = (done.stderr.strip() or done.stdout.strip()).rpartition("\n")[2]
            raise BrokenPromiseError(f"`{' '.join(words) or 'no arguments'}` ended with {done.returncode}: {last}")
        return done.stdout


def expect(holds: object, otherwise: str) -> None:
    if not holds:
        raise BrokenPromiseError(otherwise)


def runs_without_rights(image: Image) -> str:
    user = image.inspect()["Config"]["User"]
    expect(user == "10001", f"its user is {user!r}")
    return "user 10001"


def says_what_it_is(image: Image) -> str:
    labels = image.inspect()["Config"]["Labels"]
    missing = [name for name in LABELS if not labels.get(f"org.opencontainers.image.{name}")]
    expect(not missing, f"labels are missing: {', '.join(missing)}")
    return f"revision {labels['org.opencontainers.image.revision'][:12]}"


def tells_nothing_of_its_builder(image: Image) -> str:
    told = json.dumps([image.inspect()["Config"].get("Env"), history(image)])
    found = [word for word in ("PIP_CERT", "/run/build-host", "find-links", "TOKEN", "PASSWORD") if word in told]
    expect(not found, f"{', '.join(found)} stands in its settings or history")
    return "no settings of its builder"


def history(image: Image) -> list[str]:
    done = containers.quiet(image.tool, "history", "--no-trunc", "--format", "{{.CreatedBy}}", image.name)
    return done.stdout.splitlines()


def is_small(image: Image) -> str:
    size = size_mib(image.tool, image.name)
    limit = LIMIT_MIB.get(image.paper, LIMIT_OTHERS_MIB)
    expect(image.device == "gpu" or size <= limit, f"{size:,} MiB are more than {limit:,}")
    return f"{size:,} MiB"


def has_the_right_packages(image: Image) -> str:
    names = json.loads(image.output("-c", LIST_PACKAGES, entrypoint="python"))
    cuda = sorted(name for name in names if name.lower().startswith(("nvidia", "cuda", "triton")))
    expect(bool(cuda) == (image.device == "gpu"), f"CUDA packages: {', '.join(cuda) or 'none'}")
    listed = json.loads(image.output("/opt/mirl/sbom.cdx.json", entrypoint="cat"))["components"]
    unlisted = {name.lower() for name in names} - {component["name"].lower() for component in listed}
    expect(not unlisted, f"the list of packages lacks {', '.join(sorted(unlisted))}")
    return f"{len(names)} packages, all listed; {len(cuda)} of CUDA"


def works(image: Image) -> str:
    image.output("selfcheck", "--root", "/opt/mirl", entrypoint="/opt/mirl/common/.venv/bin/mirl")
    return "trains, evaluates and films"


def answers_commands(image: Image) -> str:
    description = json.loads(image.output("describe", "--json"))
    return f"describes {len(description['tasks'])} tasks"


def shows_the_comparison(image: Image) -> str:
    """Without arguments: the demo, to its table."""
    begin = time.monotonic()
    printed = image.output()
    manifests = [json.loads(path.read_text()) for path in image.results.glob("runs/tiny/**/manifest.json")]
    expect(manifests, "it left no finished run in /results")
    expect(all(one["image"] == image.name for one in manifests), "its manifests do not name the image")
    expect("within" in printed, f"it printed no comparison: {printed.strip().rpartition(chr(10))[2]}")
    if image.device == "gpu" and manifests[0]["device"] == "cpu":
        expect("no GPU is visible" in printed, "it does not say that it found no GPU")
    seconds = time.monotonic() - begin
    return f"{len(manifests)} runs on {manifests[0]['device']} and their comparison in {seconds:.0f} s"


def saves_when_stopped(image: Image) -> str:
    """SIGTERM in mid-run leaves a checkpoint; the same command continues and ends."""
    description = json.loads(image.output("describe", "--json"))
    task = next(path for path in image.results.glob("runs/tiny/*/*")).name
    method = next(path for path in image.results.glob(f"runs/tiny/*/{task}/*")).name
    expect(task in description["tasks"], f"{task} is not described")
    first = next(path for path in image.results.glob(f"runs/tiny/*/{task}/{method}/*/manifest.json"))
    words = json.loads(first.read_text())["command"][3:]
    words[words.index("--run-dir") + 1] = "/results/stopped"
    name = f"mirl-check-{image.paper}"
    folder = image.results / "stopped"
    with subprocess.Popen(image.command(*words, name=name), stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT) as run:
        wait_for(lambda: (folder / "run.json").exists() or run.poll() is not None, "it did not begin")
        run.send_signal(signal.SIGTERM)
        code = run.wait(timeout=120)
    expect(code == 128 + signal.SIGTERM, f"SIGTERM ended it with {code}")
    state = json.loads((folder / "run.json").read_text())
    expect(state["status"] == "interrupted", f"SIGTERM left it {state['status']}")
    expect((folder / "checkpoint/latest.json").exists(), "SIGTERM left no checkpoint")
    image.output(*words)
    attempts = json.loads((folder / "manifest.json").read_text())["attempts"]
    expect(attempts == 2, f"it ended after {attempts} attempts")
    return f"stopped at {state['env_step']:,} env steps, continued to the end"


def wait_for(happened: Callable[[], bool], otherwise: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not happened():
        expect(time.monotonic() < deadline, otherwise)
        time.sleep(0.2)


CHECKS = (
    runs_without_rights, says_what_it_is, tells_nothing_of_its_builder, is_small, has_the_right_packages,
    answers_commands, works, shows_the_comparison, saves_when_stopped,
)  # fmt: skip


def check(image: Image) -> Iterator[tuple[bool, str]]:
    """(kept, line) of every promise."""
    for promise in CHECKS:
        name = promise.__name__.replace("_", " ")
        try:
            yield True, f"{image.name} {name}: {promise(image)}"
        except (BrokenPromiseError, subprocess.TimeoutExpired, StopIteration) as error:
            yield False, f"{image.name} {name}: FAILED, {error}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paper", choices=papers())
    parser.add_argument("device", choices=DEVICES)
    parser.add_argument("--tool", help=f"{', '.join(containers.TOOLS)}; default: the first that answers")
    options = parser.parse_args()
    try:
        tool = containers.choose_tool(options.tool)
        name = containers.image_name(options.paper, options.device)
        if containers.digest(tool, name) is None:
            raise ConfigError(f"{name} is not built; run: make image PAPER={options.paper} DEVICE={options.device}")
    except ConfigError as error:
        print(f"check: {error}", file=sys.stderr)
        return 2
    kept = True
    with tempfile.TemporaryDirectory(prefix="mirl-image-") as folder:
        results = Path(folder) / "results"
        results.mkdir(mode=0o777)
        results.chmod(0o777)
        for good, line in check(Image(tool, options.paper, options.device, results)):
            print(line, flush=True)
            kept &= good
    return 0 if kept else 1


if __name__ == "__main__":
    raise SystemExit(main())
