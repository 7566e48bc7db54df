"""The commands of `recurzoo`, as functions that return a report for `recurzoo.cli.main` to print.

Everything heavy is imported inside them, so that `recurzoo --help` is quick.
"""
