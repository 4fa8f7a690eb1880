"""The distances that each engine's embeddings are judged by; known without loading a model."""

from recognition.engine.types import Thresholds

#: By engine. dlib: candidates within 0.6, where its author draws the line between two people
#: (http://dlib.net/face_recognition.py.html). opencv: candidates within 1 - 0.363, the line of its authors
#: (https://github.com/opencv/opencv_zoo, face_recognition_sface). These are for one pair of photos. Alerts: the largest
#: distance, rounded down, at which no more than 5 of 1,000 strangers are taken for one of 100 people, with the errors
#: that it has: `manage.py evaluate` on Labeled Faces in the Wild, folds 1 to 5 (docs/models.md). Certain and ambiguous:
#: `bench/margins.py` on the same photos; within the one no stranger came in 33,000 probes, the other sends 0.5 % of the
#: right alerts to review, and 78 % (dlib: 41 %) of the wrong ones.
THRESHOLDS = {
    "dlib": Thresholds(
        candidate=0.6, alert=0.42, fpir=0.0045, fnir=0.156, certain=0.32, ambiguous=0.05
    ),
    "opencv": Thresholds(
        candidate=0.637, alert=0.53, fpir=0.0040, fnir=0.0070, certain=0.45, ambiguous=0.15
    ),
}
