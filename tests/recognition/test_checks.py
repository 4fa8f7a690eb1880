"""Settings of the recognition that name nothing are refused before anything starts."""

import pytest
from django.core.management import call_command
from django.core.management.base import SystemCheckError


@pytest.mark.parametrize(
    ("setting", "choices"),
    [("ENGINE", "dlib, opencv"), ("DETAIL", "fast, balanced, thorough")],
)
def test_an_unknown_name_is_refused_with_the_known_ones(
    setting: str, choices: str, settings: object
) -> None:
    setattr(settings, setting, "nonsense")
    with pytest.raises(SystemCheckError, match=f"FACEWATCH_{setting} .*'nonsense'") as refusal:
        call_command("check")
    assert choices in str(refusal.value)
