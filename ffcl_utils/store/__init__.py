"""Trained networks as files, each made once. Knows rules by name only, and no notebook."""

from ffcl_utils.store.jobs import Job, JobError, missing, train, trained_elsewhere
from ffcl_utils.store.keys import key
from ffcl_utils.store.networks import StoreError, store_folder
from ffcl_utils.store.reader import epochs_of, train_missing, trained

__all__ = [
    "Job",
    "JobError",
    "StoreError",
    "epochs_of",
    "key",
    "missing",
    "store_folder",
    "train",
    "train_missing",
    "trained",
    "trained_elsewhere",
]
