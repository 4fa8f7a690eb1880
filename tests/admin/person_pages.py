"""Where the admin shows people."""

from recognition.models import Person

LIST = "/admin/recognition/person/"
ADD = "/admin/recognition/person/add/"


def change(person: Person) -> str:
    """The page of one person."""
    return f"{LIST}{person.pk}/change/"
