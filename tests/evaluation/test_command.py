"""manage.py evaluate on the demo's photos, for both engines."""

import json
import shutil
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from PIL import Image as pillow

from demo import photos as demo_photos
from recognition import engine as engines


@pytest.fixture(scope="module")
def people(photos_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder per person with the demo's photos, LFW's names, and one file that is no photo."""
    folder = tmp_path_factory.mktemp("people")
    counts: dict[str, int] = {}
    for photo in demo_photos.PHOTOS:
        if photo.person:
            name = photo.person.replace(" ", "_")
            counts[name] = counts.get(name, 0) + 1
            (folder / name).mkdir(exist_ok=True)
            suffix = Path(photo.name).suffix
            shutil.copy(
                photos_folder / photo.name, folder / name / f"{name}_{counts[name]:04d}{suffix}"
            )
    (folder / "Barack_Obama" / "Barack_Obama_0099.jpg").write_text("not a photo")
    return folder


def evaluate(*arguments: Any, **options: Any) -> str:
    output = StringIO()
    call_command("evaluate", *map(str, arguments), stdout=output, **options)
    return output.getvalue()


@pytest.mark.parametrize("engine", sorted(engines.MODULES))
def test_figures_come_as_text_json_and_pictures(engine: str, people: Path, tmp_path: Path) -> None:
    file, plots = tmp_path / "figures.json", tmp_path / "plots"
    text = evaluate(
        *(people, "--engine", engine, "--gallery", "2,500", "--photos", 1, "--draws", 3),
        *("--processes", 1, "--json", file, "--plots", plots),
    )
    found = json.loads(file.read_text())
    assert (found["engine"], found["people"], found["photos"]) == (engine, 7, 13)
    # The file that is no photo has no face.
    assert found["faces"] == 12
    assert {"accuracy", "accuracy_sd", "eer", "tar_at_far"} <= set(found["verification"])
    assert set(found["verification"]["tar_at_far"]) == {"1e-2", "1e-3", "1e-4"}
    assert found["verification"]["accuracy"] > 0.7
    assert set(found["identification"]) == {"2"}
    rates = found["identification"]["2"]["fnir_at_fpir"]
    assert set(rates) == {"1e-3", "5e-3", "1e-2", "5e-2"}
    assert all(
        rate["interval"][0] <= rate["fnir"] <= rate["interval"][1] for rate in rates.values()
    )
    assert "Too few people to watch 500" in text
    assert f"{engine}: 7 people, 13 photos, 12 with a face" in text
    for name in ("roc", "det", "scores", "identification"):
        with pillow.open(plots / f"{name}.png") as picture:
            assert picture.size == (640, 480)
            assert len(picture.convert("L").getcolors() or []) > 10


def test_json_on_standard_output_is_json_alone(people: Path) -> None:
    output = evaluate(people, "--engine", "opencv", "--gallery", 2, "--processes", 1, "--json", "-")
    assert json.loads(output)["engine"] == "opencv"


def test_a_list_of_pairs_is_followed_and_processes_agree(people: Path, tmp_path: Path) -> None:
    pairs = tmp_path / "pairs.txt"
    pairs.write_text(
        "2\t1\n"
        "Barack_Obama\t1\t2\nBarack_Obama\t1\tRishi_Sunak\t1\n"
        "Jacinda_Ardern\t1\t2\nGrace_Hopper\t1\tRishi_Sunak\t1\n"
    )
    arguments = (people, pairs, "--engine", "opencv", "--gallery", 2, "--json", "-")
    one = json.loads(evaluate(*arguments, "--processes", 1))
    two = json.loads(evaluate(*arguments, "--processes", 2))
    assert one["verification"]["same"] == one["verification"]["different"] == 2
    assert one["verification"]["accuracy"] == 1
    assert one == two


def test_wrong_calls_are_refused_in_one_line(people: Path, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="is not a folder"):
        evaluate(tmp_path / "nowhere", "--engine", "opencv")
    with pytest.raises(CommandError, match="no engine 'elsewhere'"):
        evaluate(people, "--engine", "elsewhere")
    with pytest.raises(CommandError, match=r"pairs\.txt"):
        evaluate(people, tmp_path / "pairs.txt", "--engine", "opencv", "--processes", 1)
    with pytest.raises(CommandError, match="gallery"):
        evaluate(people, "--gallery", "0")
