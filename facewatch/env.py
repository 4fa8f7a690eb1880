"""The environment variables that configure Facewatch: one row each, the same rows as `docs/settings.md`.

Settings come from the environment alone. Each variable can also be given as NAME_FILE, the path of a file that holds
the value, which keeps secrets out of the process list.
"""

from dataclasses import dataclass

import environ

env = environ.FileAwareEnv()


@dataclass(frozen=True, kw_only=True)
class Variable:
    """One environment variable: its name, its default as written in the documentation, and what it does."""

    name: str
    default: str
    help: str


VARIABLES: tuple[Variable, ...] = (
    Variable(
        name="FACEWATCH_DATA_DIR",
        default="./data",
        help="Folder of everything that is kept: database, queue, photos, mails, secret key.",
    ),
    Variable(
        name="FACEWATCH_HOST",
        default="127.0.0.1",
        help="Address that the web server listens on; 0.0.0.0 for every network card.",
    ),
    Variable(name="FACEWATCH_PORT", default="8000", help="Port that the web server listens on."),
    Variable(
        name="FACEWATCH_BASE_URL",
        default="http://localhost:$FACEWATCH_PORT",
        help="Address under which people reach the server; used for links in e-mails. "
        "With https:// cookies are sent over TLS only and http is redirected.",
    ),
    Variable(
        name="FACEWATCH_ALLOWED_HOSTS",
        default="localhost, 127.0.0.1, [::1] and the host of FACEWATCH_BASE_URL",
        help="Host names that the web server answers to, separated by commas.",
    ),
    Variable(
        name="FACEWATCH_SECRET_KEY",
        default="made on the first start, kept in the data folder",
        help="Django's secret key: signs sessions. Every web server of one installation needs the same.",
    ),
    Variable(
        name="FACEWATCH_DEBUG",
        default="off",
        help="Django's debug pages. Never on a machine that others can reach.",
    ),
    Variable(
        name="FACEWATCH_WORKERS",
        default="number of processors",
        help="Worker processes of one consumer. Each computes on one processor.",
    ),
    Variable(
        name="FACEWATCH_LEASE_SECONDS",
        default="180",
        help="Seconds that a worker may take for one stage of a photo, a search or a mail. A worker that takes longer "
        "is ended, and another one tries. On slow machines with large photos: more.",
    ),
    Variable(
        name="FACEWATCH_SWEEP_SECONDS",
        default="15",
        help="Seconds between two sweeps, which wake what was forgotten, of `manage.py serve`.",
    ),
    Variable(
        name="FACEWATCH_ACCEL",
        default="none: the web server sends pictures itself",
        help="Internal location of the nginx in front, as /media-internal/, from which it sends the pictures that are"
        " allowed (X-Accel-Redirect); its group must be able to read them. Not with s3://. See deploy/nginx.conf.",
    ),
    Variable(
        name="FACEWATCH_TARGET_WAIT",
        default="10",
        help="Seconds that work should wait for a worker, on average: from it `GET queue/` tells how many are needed.",
    ),
    Variable(
        name="FACEWATCH_CRASH_AT",
        default="none",
        help="For tests: the place in the code at which a process kills itself.",
    ),
    Variable(
        name="FACEWATCH_ENGINE",
        default="opencv",
        help="Face engine that the workers load: `opencv` (YuNet and SFace), or `dlib`. After a change run "
        "`manage.py enrol --re-embed`; until then nothing starts, because the known faces are of the other engine.",
    ),
    Variable(
        name="FACEWATCH_DETAIL",
        default="balanced",
        help="How closely photos are looked at: `fast` finds faces of a 40th of the longest side, `balanced` all of "
        "40 px, `thorough` all of 24 px (engine `opencv`; see models.md for the cost, and for `dlib`).",
    ),
    Variable(
        name="FACEWATCH_GALLERY",
        default="exact",
        help="How workers hold the known faces: `exact` in memory, right up to some millions of them; `pgvector` in an "
        "index of PostgreSQL, which finds nearly all, in memory that does not grow. manage.py prepare makes the index.",
    ),
    Variable(
        name="FACEWATCH_BLIND_REVIEW",
        default="on",
        help="On the pages reviewers answer before they see the distance, the margin and the runner-up of a possible "
        "sighting. off: they see them from the start, and an answer leads straight on to the next.",
    ),
    Variable(
        name="FACEWATCH_REJECTION_DAYS",
        default="90",
        help="Days for which a face dismissed as not this person keeps look-alikes from alerting again.",
    ),
    Variable(
        name="FACEWATCH_MAX_BACKLOG",
        default="100000",
        help="Unfinished photos from which on uploads are refused with 503 and Retry-After.",
    ),
    Variable(
        name="FACEWATCH_OWNER_SHARE",
        default="10",
        help="Percent of FACEWATCH_MAX_BACKLOG that is open on top of it to owners with fewer unfinished photos than "
        "that, so that nobody can lock the others out.",
    ),
    Variable(
        name="FACEWATCH_MIN_FREE_MB",
        default="500",
        help="Megabytes (1,000,000 bytes) that stay free on the disk of the data folder, or of the shared folder of "
        "STORAGE_URL, for the workers to finish what was accepted; with less, uploads are refused with 503 and "
        "Retry-After.",
    ),
    Variable(
        name="FACEWATCH_MAX_UPLOAD_MB",
        default="32",
        help="Largest accepted photo, in megabytes (1,000,000 bytes).",
    ),
    Variable(
        name="FACEWATCH_MAX_ARCHIVE_MB",
        default="500",
        help="Largest accepted zip archive of photos to enrol people by, in megabytes (1,000,000 bytes).",
    ),
    Variable(
        name="FACEWATCH_MAX_MEGAPIXELS",
        default="64",
        help="Largest accepted photo, in millions of pixels. A worker needs about 10 bytes a pixel.",
    ),
    Variable(
        name="FACEWATCH_SEARCH_TIMEOUT",
        default="15",
        help="Seconds that POST search/ waits for a worker before it answers 504.",
    ),
    Variable(
        name="DATABASE_URL",
        default="sqlite file in the data folder",
        help="Database, as postgres://user:password@host:5432/name, or sqlite:///path, where ?timeout=5 sets the"
        " seconds to wait for another writer (20).",
    ),
    Variable(
        name="FACEWATCH_DATABASE_CONNECTIONS",
        default="16",
        help="Connections to PostgreSQL that the threads of one process share at the most. A worker uses two.",
    ),
    Variable(
        name="FACEWATCH_SILENCE_SECONDS",
        default="20",
        help="Seconds after which both ends give up a connection to PostgreSQL on which nothing arrives any more, "
        "because the network was cut or a machine lost its power.",
    ),
    Variable(
        name="REDIS_URL",
        default="none: the queue is a SQLite file in the data folder",
        help="Redis that holds the queue, as redis://host:port/0.",
    ),
    Variable(
        name="STORAGE_URL",
        default="none: the folder media/ of the data folder",
        help="Where photos, chips, archives and pictures of searches lie: file:///mnt/faces/photos, a folder that "
        "several machines share, or s3://key:secret@bucket/prefix?endpoint=https://host:9000&region=…; without keys "
        "those of boto3's usual environment. See operations.md.",
    ),
    Variable(
        name="EMAIL_URL",
        default="none: mails are written as .eml files into mail/ of the data folder",
        help="Mail server, as smtp://user:password@host:25, smtp+tls://… or smtp+ssl://…",
    ),
    Variable(
        name="FACEWATCH_MAIL_FROM",
        default="Facewatch <facewatch@localhost>",
        help="Sender of the e-mails.",
    ),
    Variable(
        name="FACEWATCH_MAIL_GUARANTEE",
        default="at_most_once",
        help="at_most_once: a mail that may have been sent (no answer from the server, or its sender died) is shown as "
        "unknown and sent again by staff alone. at_least_once: it is sent again by itself, with the same Message-ID, "
        "and may come twice.",
    ),
    Variable(
        name="FACEWATCH_MAIL_PICTURES",
        default="off",
        help="on: mails carry the faces that were seen. Otherwise they link to them, behind the sign-in.",
    ),
    Variable(
        name="FACEWATCH_WEBHOOK_NETWORKS",
        default="none",
        help="Networks inside that webhooks may reach as well, also without TLS, as 10.1.0.0/16,fd00::/8.",
    ),
    Variable(
        name="FACEWATCH_APPRISE_SCHEMES",
        default="none: Apprise is off",
        help="Schemes that staff may subscribe over Apprise, such as tgram,slack; some reach into the network.",
    ),
    Variable(
        name="FACEWATCH_CANARY_MINUTES",
        default="0: off",
        help="Minutes between two canaries: drawn faces that must come through recognition, alert and delivery.",
    ),
    Variable(
        name="FACEWATCH_CANARY_SECONDS",
        default="300",
        help="Seconds until a canary is late, which is logged, shown on the front page, and mailed.",
    ),
    Variable(
        name="FACEWATCH_OPERATORS",
        default="none",
        help="E-mail addresses, with commas between them, that are told when a canary is late.",
    ),
    Variable(
        name="FACEWATCH_LOG_LEVEL", default="INFO", help="DEBUG, INFO, WARNING or ERROR; to stderr."
    ),
)
