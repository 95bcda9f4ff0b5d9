"""One family of errors: everything a person or a file can cause. The command line prints them without a traceback."""


class GraspError(Exception):
    """A fault of the input, told in a short message: what was wrong, where, the value seen, what to do next."""


class SettingsError(GraspError, ValueError):
    """A setting is unknown, of the wrong type, out of range, or cannot be honoured together with another."""


class StudyError(GraspError):
    """The study folder lacks something a command needs, or holds something it cannot use."""


class TableError(GraspError):
    """visits.csv, photos.csv or views.csv hold faults, each listed with its row; or a table to be written lacks its columns."""


class FileError(GraspError):
    """A file cannot be written, or read as what it should be."""


class PhotoError(GraspError):
    """A photo file is missing or cannot be decoded."""


class FeatureError(GraspError):
    """A file of feature vectors is missing, damaged, of another shape or length, or holds numbers that are none."""


class StageError(GraspError):
    """A stage folder is missing, partial, damaged, or made from other inputs than the ones at hand."""


class EmptyBag(GraspError):
    """A visit has no photo left."""


class NetworkError(GraspError):
    """An encoder is unknown, its weights cannot be had, or it mixes photos of a batch."""


class ReplayMismatch(GraspError):
    """Rebuilding a training step gave other numbers than the trajectory recorded."""


class TraceError(GraspError):
    """A trace is impossible or without meaning: no queries, an undefined combination, a parameter without a rule."""


class EvidenceError(GraspError):
    """An evaluation was asked of data that cannot answer it."""


class WorkerError(GraspError):
    """A process or a cluster that does work side by side cannot be had, does not fit, or was lost."""
