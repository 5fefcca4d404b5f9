"""Writes `vectorstore/dictionary.npz` from the words of jieba's dictionary and their frequencies.

    python -m benchmarks.count_words

Run `benchmarks.calibrate --write` and `benchmarks.calibrate_sentences --write` after it.
"""

from __future__ import annotations

import argparse

from vectorstore.dictionary import FILE, Dictionary


def main() -> None:
    """Count, and write the file."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    import jieba

    jieba.dt.initialize()
    counted = Dictionary.count({word: frequency for word, frequency in jieba.dt.FREQ.items() if frequency})
    counted.save(FILE)
    print(f"{len(counted.codes):,} pairs in {FILE}")


if __name__ == "__main__":
    main()
