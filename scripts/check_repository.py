"""Checks rules of the repository that no other tool knows; prints every fault and exits 1 if there is one.

Sizes: no tracked file over 2 MB outside examples/. Text: no absolute path of a machine. Pins: each dependency
of an extra stands in its requirements file in a version that pyproject.toml admits, and torch stands in none.
"""

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
MAX_FILE_BYTES = 2_000_000
LOCAL_PATH = re.compile(rb"(?<![\w.$}/-])/(?:home|Users|root|work|mnt)/\w")
PINNED = re.compile(r"^([a-z0-9-]+)==([^ ;]+)", re.MULTILINE)
EXTRA_OF_FILE = {"embedded": "all"}
INSTALLED_APART = {"torch", "torchaudio"}


def tracked_files() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True).stdout
    return [ROOT / name for name in listed.decode().split("\0") if name and (ROOT / name).is_file()]


def find_large(files: list[Path]) -> Iterator[str]:
    for path in files:
        size_bytes = path.stat().st_size
        if size_bytes > MAX_FILE_BYTES and "examples" not in path.relative_to(ROOT).parts:
            yield f"{path.relative_to(ROOT)}: {size_bytes} bytes, at most {MAX_FILE_BYTES} outside examples/"


def find_local_paths(files: list[Path]) -> Iterator[str]:
    for path in files:
        for number, line in enumerate(path.read_bytes().splitlines(), start=1):
            if path.suffix != ".opus" and LOCAL_PATH.search(line):
                where = f"{path.relative_to(ROOT)}:{number}"
                yield f"{where}: a path of one machine: {line.decode().strip()[:80]}"


def dependencies(project: dict[str, list[str]], extra: str) -> Iterator[Requirement]:
    """What an extra asks for, with `voxloom[...]` in it followed."""
    for text in project[extra]:
        requirement = Requirement(text)
        if requirement.name != "voxloom":
            yield requirement
        for inner in sorted(requirement.extras if requirement.name == "voxloom" else ()):
            yield from dependencies(project, inner)


def find_stale_pins() -> Iterator[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for path in sorted((ROOT / "requirements").glob("*.txt")):
        extra = EXTRA_OF_FILE.get(path.stem, path.stem)
        wanted = [*map(Requirement, project["dependencies"])]
        wanted += dependencies(project["optional-dependencies"], extra)
        yield from compare_pins(path.name, wanted, dict(PINNED.findall(path.read_text(encoding="utf-8"))))


def compare_pins(name: str, wanted: list[Requirement], pins: dict[str, str]) -> Iterator[str]:
    for package in INSTALLED_APART & set(pins):
        yield f"requirements/{name}: {package} is pinned here; scripts/install.sh installs it"
    for requirement in wanted:
        found = pins.get(requirement.name)
        if requirement.name not in INSTALLED_APART and not (found and requirement.specifier.contains(found)):
            yield f"requirements/{name}: found {found}, wanted {requirement}: run scripts/requirements.sh"


def main() -> int:
    files = tracked_files()
    faults = [*find_large(files), *find_local_paths(files), *find_stale_pins()]
    print("\n".join(faults) or f"{len(files)} tracked files keep the rules of the repository")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
