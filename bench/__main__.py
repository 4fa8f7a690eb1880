"""python -m bench: what can be measured with the photos at hand."""

import os
import subprocess
import sys

if __name__ == "__main__":
    people = os.environ.get("FACEWATCH_BENCH_PEOPLE")
    if not people:
        sys.exit(
            "Set FACEWATCH_BENCH_PEOPLE to a folder with a folder per person, such as Labeled Faces in the Wild"
            " (University of Massachusetts, Amherst), and call make bench again."
        )
    sys.exit(
        subprocess.run([sys.executable, "-m", "bench.watchlist", people], check=False).returncode
    )
