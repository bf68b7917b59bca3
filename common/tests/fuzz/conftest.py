"""A whole small repository to be damaged: registration, cluster, runs in every state, tables, bands, published runs."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from commands import RUN, toy
from suite.conftest import REPRODUCE

from mirl.suite import publish, venvs

REPOSITORY = Path(__file__).parents[3]
REFERENCE = """task,method,setting,metric,env_steps,value,spread,spread_kind,n,unit,role,provenance,source,note
line,any,,eval/return,,9,,,,reward per episode,ceiling,computed,by hand,
line,drift,,eval/return,,-3,0.5,sd,5,reward per episode,result,paper_table,Table 1,
"""
SEEDS = "task,method,setting,metric,seed,value,provenance,source\nline,drift,,eval/return,0,-3.0,author_data,a file\n"


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository, undamaged; tests damage copies."""
    root = tmp_path_factory.mktemp("whole")
    (root / "reproduce.yaml").write_text(REPRODUCE)
    shutil.copy(REPOSITORY / "cluster.yaml", root)
    (root / "papers/toy").mkdir(parents=True)
    for name in ("pyproject.toml", "poetry.lock", "requirements-cpu.txt"):
        (root / "papers/toy" / name).write_text("")
    (root / "papers/toy/.venv").mkdir()
    stamp = venvs.fingerprint(root / "papers/toy", root / "papers/toy/requirements-cpu.txt")
    (root / "papers/toy/.venv/.ready").write_text(stamp)
    tiny = root / "results/runs/tiny/toy/line/drift"
    for seed in range(5):
        assert toy(root, *RUN, "--seed", str(seed), "--run-dir", str(tiny / f"seed{seed}")).code == 0
        publish.copy_small(tiny / f"seed{seed}", root / f"results/published/toy/tiny/line/drift/seed{seed}")
    unfinished = tiny / "seed1"
    (unfinished / "manifest.json").unlink()
    for name, text in (("toy.csv", REFERENCE), ("toy-seeds.csv", SEEDS)):
        (root / "results/reference").mkdir(exist_ok=True)
        (root / "results/reference" / name).write_text(text)
    return root


@pytest.fixture
def fresh(whole: Path, tmp_path: Path) -> Callable[[], Path]:
    """Makes a copy of the repository at a time, in place of the last one."""

    def copy() -> Path:
        place = tmp_path / f"case-{len(os.listdir(tmp_path))}"
        return Path(shutil.copytree(whole, place))

    return copy


@pytest.fixture(scope="session")
def inputs(request: pytest.FixtureRequest) -> int:
    """How many inputs in all; each test takes its share."""
    number: int = request.config.getoption("--inputs")
    return number
