"""What the checkpoints are worth: their results in one table, generated, and measured again to be believed."""

from recurzoo.results.collecting import Results, collect, write
from recurzoo.results.row import ResultRow
from recurzoo.results.verification import CheckpointReport, Verification
from recurzoo.results.verifying import verify

__all__ = ["CheckpointReport", "ResultRow", "Results", "Verification", "collect", "verify", "write"]
