"""The distances that each engine's embeddings are judged by; known without loading a model."""

from recognition.engine.types import Thresholds

#: By engine. dlib: candidates within 0.6, where its author draws the line between two people
#: (http://dlib.net/face_recognition.py.html); an alert at 0.5, because 0.6 is meant for one pair and not for a gallery.
THRESHOLDS = {"dlib": Thresholds(candidate=0.6, alert=0.5)}
