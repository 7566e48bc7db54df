"""What the checkpoints are worth: their results in one table, generated, and measured again to be believed."""
