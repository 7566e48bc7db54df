"""The files of a checkpoint that hold the model: its config and its weights."""
