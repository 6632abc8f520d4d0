"""Makes examples/an4 from a folder with AN4 as FLAC or WAV: Ogg/Opus files, a manifest, the licence.

    python scripts/make_example_corpus.py SOURCE_DIR [TARGET_DIR]

SOURCE_DIR holds `manifest.tsv` (path, text, speaker, split, gender; tab-separated, unquoted), the audio it
names and `LICENSE`. Ogg gives each stream a random serial number: a second run gives other
bytes, the same sound.
"""

import argparse
import csv
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import soundfile

BITRATE_BPS = 32_000  # the log-mel error still falls with more, but slowly; 1,078 utterances come to 12 MB
COLUMNS = ("path", "text", "speaker", "split", "gender")
LOWEST_CORRELATION = 0.9  # of a decoded file with its original; the worst of AN4 has 0.94


def opus_compression_level(bitrate_bps: int) -> float:
    """libsndfile maps level 0..1 to 256..6 kbit/s a channel."""
    return 1.0 - (bitrate_bps - 6_000) / 250_000


def read_rows(manifest: Path) -> list[dict[str, str]]:
    with manifest.open(encoding="utf-8", newline="") as lines:
        reader = csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
        missing = set(COLUMNS) - set(reader.fieldnames or ())
        if missing:
            raise SystemExit(f"{manifest}: no column {', '.join(sorted(missing))}; found {reader.fieldnames}")
        return list(reader)


def convert(source: Path, target: Path) -> None:
    """One file to Opus, and back again to see that it is still the same sound."""
    samples, sample_rate_hz = soundfile.read(source, dtype="float32")
    target.parent.mkdir(parents=True, exist_ok=True)
    level = opus_compression_level(BITRATE_BPS)
    soundfile.write(target, samples, sample_rate_hz, format="OGG", subtype="OPUS", compression_level=level)
    decoded, decoded_rate_hz = soundfile.read(target, dtype="float32")
    if decoded_rate_hz != sample_rate_hz or len(decoded) != len(samples):
        raise SystemExit(f"{target}: {len(decoded)} samples at {decoded_rate_hz} Hz, expected {len(samples)}")
    correlation = float(np.corrcoef(samples, decoded)[0, 1])
    if correlation < LOWEST_CORRELATION:
        raise SystemExit(f"{target}: correlation {correlation:.3f} with {source}: the sound was not kept")


def convert_all(rows: list[dict[str, str]], source: Path, target: Path) -> Iterator[Sequence[str]]:
    for row in rows:
        path = f"{row['split']}/{Path(row['path']).stem}.opus"
        convert(source / row["path"], target / path)
        yield [path, *(row[column] for column in COLUMNS[1:])]


def parse_arguments() -> argparse.Namespace:
    default = Path(__file__).parents[1] / "examples" / "an4"
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path, nargs="?", default=default)
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    source, target = arguments.source, arguments.target
    rows = read_rows(source / "manifest.tsv")
    lines = ["\t".join(fields) for fields in [COLUMNS, *convert_all(rows, source, target)]]
    (target / "manifest.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    shutil.copyfile(source / "LICENSE", target / "LICENSE")
    print(f"{len(rows)} utterances in {target}")


if __name__ == "__main__":
    main()
