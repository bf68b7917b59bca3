"""A repository with one small paper whose results hold everything that a report must cope with."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from PIL import Image

import toy
from mirl.exhibits import FILM, write_facts
from mirl.suite import publish
from mirl.suite.results import published_directory, run_directory
from mirl.suite.selection import RunSpec
from toy.whole import write_manifest

TOY = Path(toy.__file__).parent
HARMFUL = "<script>document.title = 'taken over'</script>"
STEPS = range(100, 1001, 100)
REPRODUCE = """
version: 1
papers:
  toy:
    title: "Toy: a line, a hill and a cave"
    citation: nobody, nowhere, 2020
    fidelities: [faithful]
    fidelity: faithful
    variants: {slow: {}}
    regression: &regression
      ours: {last: [eval/return], first: [train/return]}
      theirs: {last: [eval/return]}
    tasks:
      line: &line
        title: a line
        methods: [ours, theirs]
        metric: {name: eval/return, unit: points per episode}
        margin: 2.0
        budgets:
          tiny: {env_steps: 100, seeds: [0, 1]}
          workstation: {env_steps: 500, seeds: [0]}
          paper: {env_steps: 1000, seeds: [0, 1, 2, 3, 4]}
        cost:
          ours: {env_steps_per_s: 10, memory_mib: 10}
          theirs: {env_steps_per_s: 10, memory_mib: 10}
      hill:
        <<: *line
        title: a hill, in two settings
        note: the hill stands in for another one
        setting: near
        settings:
          far: {metric: {name: eval/return_far, unit: points per episode}, margin: 2.0}
      cave: {<<: *line, title: "a cave & what is in it"}
    claims:
      - {id: ours-wins, statement: ours is better, source: Table 1, tasks: [line], better: ours, worse: theirs}
      - {id: in-the-cave, statement: also in the cave, source: Table 2, tasks: [cave], better: ours, worse: theirs}
  empty:
    title: "Empty: nothing was run and nothing is known"
    citation: nobody, nowhere, 2021
    fidelities: [faithful]
    fidelity: faithful
    regression: *regression
    tasks: {line: *line}
"""
REFERENCE = f"""task,method,setting,metric,env_steps,value,spread,spread_kind,n,unit,role,provenance,source,note,\
questioned
line,ours,,eval/return,1000,20,1,sd,5,points,result,paper_table,Table 1,,
line,theirs,,eval/return,1000,15,0.5,sem,5,points,result,paper_figure,Figure 2,{HARMFUL},
line,any,,eval/return,,22,,,,points,ceiling,computed,straight to the end,,
hill,any,,eval/return,,500,,,,points,ceiling,computed,far above,,
cave,theirs,,eval/return,,7,1,sd,5,points,result,author_data,Table 2,,its seeds are those of <line>
hill,ours,,eval/return,1000,32,1.6,sd,5,points,result,author_data,Table 2,,a seed stands there twice
"""
README = f"""# Toy

## Faults of the released code

| # | the released code | `faithful` | test |
|---|---|---|---|
| 1 | forgets | kept [here](method-card.md) | `test_toy.py::test_it_forgets` |

- Another departure. {HARMFUL}

## Citation
"""
CARD = "# Card\nNOT FOUND marks a gap.\n\n## 3. Numbers\nMean given. Paper table 7: **not found**. Rest given.\n"


def make_repository(root: Path) -> Path:
    """reproduce.yaml, the papers' documents and the references; no results."""
    (root / "reproduce.yaml").write_text(REPRODUCE)
    for path, text in {
        "papers/toy/README.md": README,
        "papers/toy/method-card.md": CARD,
        "results/reference/toy.csv": REFERENCE,
    }.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    return root


def fill(root: Path) -> Path:
    """Finished, failed and odd runs under results/runs, and the finished ones of `line` published as well."""
    for seed in range(5):
        finish(root, f"paper/toy/line/ours/seed{seed}", {"eval/return": climb(19.5 + 0.3 * seed)})
        finish(root, f"paper/toy/line/theirs/seed{seed}", {"eval/return": climb(9.0 + 0.5 * seed)})
        both = {"eval/return": climb(30.0 + seed), "eval/return_far": climb(10.0 - seed)}
        finish(root, f"paper/toy/hill/ours/seed{seed}", both)
    finish(root, "paper/toy/hill/theirs/seed0", {"eval/return": climb(float("nan")), "eval/return_far": climb(3.0)})
    finish(root, "paper/toy/line/ours@slow/seed0", {"eval/return": climb(12.0)})
    finish(root, "paper/toy/line/ours/seed7", {"eval/return": climb(99.0)})
    finish(root, "workstation/toy/line/ours/seed0", {"eval/return": climb(14.0)}, env_steps=500)
    finish(root, "tiny/toy/line/ours/seed0", {"eval/return": [1.0], "train/return": [0.5]}, env_steps=100)
    finish(root, "paper/toy/hill/theirs/seed2", {"eval/return": climb(99.0)}, env_steps=400)
    fail(root, "paper/toy/hill/theirs/seed1", f"loss/value became nan {HARMFUL}")
    for spec in map(RunSpec.parse, (f"paper/toy/line/{m}/seed{s}" for m in ("ours", "theirs") for s in range(5))):
        publish.copy_small(run_directory(root, spec), published_directory(root, spec))
        if spec.seed == 0:
            film(root, spec)
    return root


def film(root: Path, spec: RunSpec) -> Path:
    """A film beside a published run, as `mirl publish` leaves it."""
    folder = published_directory(root, spec) / "film"
    folder.mkdir()
    moving, still = (folder / name for name in FILM.holds)
    shutil.copyfile(TOY / "film.webm", moving)
    Image.new("RGB", (64, 48), "maroon").save(still)
    texts = {"caption": f"A walk that ends well. {HARMFUL}", "alternative": "Film of a dot that crosses a field."}
    write_facts(FILM, folder, run_directory(root, spec), texts)
    return folder


def climb(final: float) -> list[float]:
    """A learning curve that ends at `final`."""
    return [*(0.1 * step * 10 for step in range(1, len(STEPS))), final]


def finish(root: Path, text: str, metrics: Mapping[str, Sequence[float]], env_steps: int = 1000) -> None:
    """A finished run as a trainer leaves it."""
    spec = RunSpec.parse(text)
    directory = run_directory(root, spec)
    directory.mkdir(parents=True)
    rows = [
        f"{step},0.5,{name},{value!r}"
        for name, values in metrics.items()
        for step, value in zip(STEPS, values, strict=False)
    ]
    rows += [f"{step},0.5,train/length,{step % 7}" for step in STEPS]
    (directory / "metrics.csv").write_text("\n".join(["env_step,wall_s,name,value", *rows]) + "\n")
    (directory / "checkpoint").mkdir()
    (directory / "checkpoint/latest.json").write_text(json.dumps({"env_step": env_steps}))
    command = ["python", "-m", "toy", "train", "--task", spec.task, "--seed", str(spec.seed), "--run-dir", "DIR"]
    config = {"total_env_steps": env_steps, "threads": 1}
    versions = {"torch": "2.13.0", "gpu": None, "threads": 1}
    write_manifest(directory, spec, config, command=command, versions=versions, wall_s=12.5)


def fail(root: Path, text: str, reason: str) -> None:
    """A run that stopped."""
    directory = run_directory(root, RunSpec.parse(text))
    directory.mkdir(parents=True)
    record = {"status": "failed", "attempts": [{"reason": reason}], "env_step": 300}
    (directory / "run.json").write_text(json.dumps(record))


def report_in(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """`mirl report`, in that repository."""
    return subprocess.run(
        [sys.executable, "-m", "mirl.suite.cli", "report", *words],
        cwd=root, capture_output=True, text=True, timeout=180, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
