"""The distances that each engine's embeddings are judged by; known without loading a model."""

from recognition.engine.types import Thresholds

#: By engine. dlib: candidates within 0.6, where its author draws the line between two people
#: (http://dlib.net/face_recognition.py.html); an alert at 0.5, because 0.6 is meant for one pair and not for a gallery.
#: opencv: candidates within 1 - 0.363, the line of its authors (https://github.com/opencv/opencv_zoo, face_recognition_
#: sface); an alert at 0.53: `manage.py evaluate` finds 5 of 1,000 strangers taken for one of 100 people with three
#: photos each at 0.54 (Labeled Faces in the Wild, folds 1 to 5).
THRESHOLDS = {
    "dlib": Thresholds(candidate=0.6, alert=0.5),
    "opencv": Thresholds(candidate=0.637, alert=0.53),
}
