"""The distances that each engine's embeddings are judged by; known without loading a model."""

from recognition.engine.types import Thresholds

#: By engine. dlib: candidates within 0.6, where its author draws the line between two people
#: (http://dlib.net/face_recognition.py.html); an alert at 0.42, where 5 of 1,000 strangers are taken for one of 100
#: people with three photos each, because 0.6 is meant for one pair and not for a gallery.
#: opencv: candidates within 1 - 0.363, the line of its authors (https://github.com/opencv/opencv_zoo, face_recognition_
#: sface); an alert at 0.53: 5 of 1,000 strangers are taken for
#: one of 100 people at 0.532. Both as measured by `manage.py evaluate` on Labeled Faces in the Wild, folds 1 to 5.
THRESHOLDS = {
    "dlib": Thresholds(candidate=0.6, alert=0.42),
    "opencv": Thresholds(candidate=0.637, alert=0.53),
}
