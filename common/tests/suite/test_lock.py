from __future__ import annotations

from mirl.suite import lock

EXPORTED = """--extra-index-url https://somewhere.example/simple

-e file:///home/somebody/common ; python_version >= "3.11"
numpy==2.4.6 ; python_version >= "3.11" \\
    --hash=sha256:aa \\
    --hash=sha256:bb
nvidia-cublas-cu12==13.1 ; platform_system == "Linux" \\
    --hash=sha256:cc
torch==2.13.0 ; python_version >= "3.11" \\
    --hash=sha256:dd
torchmetrics==1.0 \\
    --hash=sha256:ee
"""


def test_local_projects_and_index_addresses_are_left_out():
    blocks = lock.split(EXPORTED)
    assert [block.split("==")[0] for block in blocks] == ["numpy", "nvidia-cublas-cu12", "torch", "torchmetrics"]
    assert blocks[0].count("--hash") == 2


def test_the_cpu_requirements_leave_out_torch_and_its_cuda_libraries_alone():
    kept = [block.split("==")[0] for block in lock.split(EXPORTED) if not lock.CUDA_ONLY.match(block)]
    assert kept == ["numpy", "torchmetrics"]
