"""What the optimizer reads from the store without measuring anything."""

from pathlib import Path

import pytest

from voxloom.storage import FolderStore, folders
from voxloom.wer import unit_of


def test_folders_are_found_without_listing_what_is_in_them(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    for key in ("runs/a/1", "runs/a/2/3", "runs/a-b/1", "runs/a.b/1", "runs/a0/1", "runs/b", "runs/c/1"):
        store.put(key, b"")
    assert sorted(folders(store, "runs/")) == ["a", "a-b", "a.b", "a0", "c"]


@pytest.mark.parametrize(
    ("texts", "unit"),
    [
        (["hello world", "yes"], "words"),
        (["สวัสดีครับ", "ขอบคุณ"], "characters"),
        (["今天天气很好"], "characters"),
        (["नमस्ते दुनिया"], "words"),
        ([], "words"),
    ],
)
def test_scripts_without_spaces_are_counted_in_characters(texts: list[str], unit: str) -> None:
    assert unit_of(texts) == unit
