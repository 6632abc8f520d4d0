"""Log-mel features: processor time beside kaldi-native-fbank's Python binding, and how far the two differ.

  python tests/bench/features.py [--rounds N]

examples/an4's test clips, in turn, on one thread. The limit is kaldi-native-fbank's time.
"""

import argparse
import sys
import time
from pathlib import Path
from statistics import median

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))

from kaldi import kaldi_fbank

from voxloom.audio import SAMPLE_RATE_HZ, decode
from voxloom.features import fbank

ROOT = Path(__file__).parents[2]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    clips = [
        decode(path.read_bytes()).samples for path in sorted((ROOT / "examples/an4/test").glob("*.opus"))
    ]
    apart = max(float(np.abs(fbank(clip) - kaldi_fbank(clip)).max()) for clip in clips)
    seconds = sum(map(len, clips)) / SAMPLE_RATE_HZ
    ratios = []
    for _ in range(args.rounds):
        taken_s = []
        for features in (fbank, kaldi_fbank):
            began_s = time.process_time()
            for clip in clips:
                features(clip)
            taken_s.append(time.process_time() - began_s)
        ours_s, theirs_s = taken_s
        ratios.append(theirs_s / ours_s)
        ours_ms, theirs_ms = 1000 * ours_s / seconds, 1000 * theirs_s / seconds
        print(f"{ours_ms:.2f} ms a second of audio, kaldi-native-fbank {theirs_ms:.2f}")
    print(f"{median(ratios):.2f}x as fast as kaldi-native-fbank; log-mel at most {apart:.5f} apart")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
