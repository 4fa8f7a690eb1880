"""The one way up: others listen here, recognition knows none of them."""

from django.dispatch import Signal

#: Sent after commit when a photo is done, with `photo_id` (UUID). It can come twice for one photo: a listener that died
#: is made up for by the sweep. Enrolments are not announced. With `historic=True` it was recognised long ago, and is
#: announced again because looking back matched it with somebody: nobody is to be told of it in haste.
photo_recognised = Signal()
