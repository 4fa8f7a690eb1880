"""python -m bench: all that can be measured with the photos at hand."""

import os
import subprocess
import sys

#: What needs photos of many people.
WITH_PEOPLE = ("detail", "templates", "margins", "watchlist", "day")

if __name__ == "__main__":
    benches = [
        ["bench.engine"],
        ["bench.memory"],
        ["bench.accept"],
        ["bench.pipeline"],
        ["bench.workers"],
    ]
    if people := os.environ.get("FACEWATCH_BENCH_PEOPLE"):
        benches += [[f"bench.{name}", people] for name in WITH_PEOPLE]
    statuses = [
        subprocess.run([sys.executable, "-m", *bench], check=False).returncode for bench in benches
    ]
    if not people:
        print(
            f"bench.{', bench.'.join(WITH_PEOPLE)} are left out: set FACEWATCH_BENCH_PEOPLE to a folder with a folder"
            " per person, such as Labeled Faces in the Wild (University of Massachusetts, Amherst), and call make"
            " bench again."
        )
    sys.exit(int(any(statuses)))
