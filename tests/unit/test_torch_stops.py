"""Torch stops at the trainer: what is imported shows it, whatever the linter sees."""

import subprocess
import sys

_IMPORT_ALL = """
import importlib, pkgutil, sys
names = ["voxloom", *(f"services.{name}" for name in ("recorder", "ingest", "optimizer", "inference"))]
for name in names:
    package = importlib.import_module(name)
    for module in pkgutil.walk_packages(package.__path__, name + "."):
        importlib.import_module(module.name)
found = sorted({name.split(".")[0] for name in sys.modules} & {"torch", "torchaudio", "tensorflow", "jax"})
print(",".join(found) or "none", len([name for name in sys.modules if name.startswith("services.")]))
"""


def test_no_module_outside_the_trainer_loads_torch() -> None:
    done = subprocess.run([sys.executable, "-c", _IMPORT_ALL], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    found, modules = done.stdout.split()
    assert found == "none"
    assert int(modules) >= 20
