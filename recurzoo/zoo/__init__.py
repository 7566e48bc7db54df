"""What there is: architectures, checkpoints, the papers' figures; and how checkpoints are kept and opened.

Nothing here imports Keras before a model is built.
"""
