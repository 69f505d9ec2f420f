"""Writes the diabetes data of scikit-learn (442 patients) as CSV files of two clinics.

Usage: make_data.py DIRECTORY
"""

import csv
import sys
from pathlib import Path

from sklearn.datasets import load_diabetes

CLINICS = {"clinic-north": slice(0, None, 3), "clinic-south": slice(1, None, 3)}
TEST = slice(2, None, 3)


def main(directory: Path) -> None:
    bunch = load_diabetes()
    directory.mkdir(parents=True, exist_ok=True)
    for place, (name, rows) in enumerate(CLINICS.items()):
        parts = {"train": rows, "test": slice(TEST.start + 3 * place, None, 6)}
        for split, part in parts.items():
            with (directory / f"{name}-{split}.csv").open("w", newline="") as file:
                writer = csv.writer(file)
                writer.writerow([*bunch.feature_names, "progression"])
                for features, target in zip(bunch.data[part], bunch.target[part], strict=True):
                    writer.writerow([*map(repr, map(float, features)), repr(float(target))])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
