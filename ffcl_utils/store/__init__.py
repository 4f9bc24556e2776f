"""Trained networks as files, each made once. Knows rules by name only, and no notebook."""

from ffcl_utils.store.jobs import Job, JobError, missing, train, trained_elsewhere
from ffcl_utils.store.keys import key
from ffcl_utils.store.networks import StoreError, store_folder
from ffcl_utils.store.reader import epochs_of, opened_store, trained

__all__ = [
    "Job",
    "JobError",
    "StoreError",
    "epochs_of",
    "key",
    "missing",
    "opened_store",
    "store_folder",
    "train",
    "trained",
    "trained_elsewhere",
]
