"""`recurzoo publish`."""

from __future__ import annotations

from typing import Annotated

import typer

from recurzoo.base.records import Report
from recurzoo.cli.options import Json, Name


def publish_(
    name: Name,
    repo: Annotated[str, typer.Option("--repo", metavar="USER/REPO", help="The repository; it is made if need be.")],
    private: Annotated[bool, typer.Option("--private", help="Only for yourself and those you let in.")] = False,
    json: Json = False,
) -> Report:
    """Publish a checkpoint on the Hugging Face Hub.

    With the token of HF_TOKEN or of `hf auth login`.
    """
    from recurzoo.zoo.publishing import publish

    return publish(name, repo, private)
