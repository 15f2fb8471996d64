"""The job: files of texts in, the same rows with their entities out, on any cluster.

The input is divided into slices by a hash of the texts, whatever the cluster. Each is tagged and
written by itself, so that a job that was killed goes on with the slices that are missing. OUT gets
its name when all are there.
"""

from __future__ import annotations

from nertune.spark.job.running import job_session, run_job
from nertune.spark.job.settings import Job, JobResult, JobWatch, Tally

__all__ = ["Job", "JobResult", "JobWatch", "Tally", "job_session", "run_job"]
