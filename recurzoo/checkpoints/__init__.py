"""One folder on disk: the files that hold a model, and the record that vouches for them."""
