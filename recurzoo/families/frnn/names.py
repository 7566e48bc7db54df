"""Networks of states: which there are, and their names `frnn-3-t5`, `multi-state-resnet-2-t13-independent`, ..."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

from recurzoo.base.errors import UnknownNameError
from recurzoo.families.grammar import NUMBER, WIDTH_SUFFIX, Family, Reading, is_count, read_width, write_width

# Width of the first state, by the number of states.
FRNN_WIDTHS = {2: 64, 3: 64, 4: 8}
RESNET_WIDTHS = {2: 64, 3: 64, 4: 64}
AFFINE = {True: "shared_affine", False: "no_affine"}


Prenet = Literal[1, 3, "imagenet"]


def count_updates(
    states: Sequence[Sequence[int]], edges: Any, readout: int, schedule: Any, prenet: Any, input_time: int = 1
) -> int:
    """How many updates there are before the readout.

    Of other edges than `"full"` and `"adjacent"`, and of schedules, the graph finds out whether the last state is
    reached.

    Raises:
        ValueError: if no such network exists.
    """
    if prenet not in get_args(Prenet):
        raise ValueError(f"A pre-net is one of {get_args(Prenet)}. Received: prenet={prenet!r}")
    if not states or not all(len(state) == 2 and all(map(is_count, state)) for state in states):
        raise ValueError(f"Each state has a size and a width of at least 1. Received: states={states}")
    soonest = input_time + (max(1, len(states) - 1) if edges == "adjacent" else 1)
    if schedule is None and readout < soonest:
        raise ValueError(
            f"Nothing reaches the last of {len(states)} states before t = {soonest}. Received: readout={readout}"
        )
    return readout - input_time


def _read(match: re.Match[str]) -> Reading:
    name, resnet, count, readout = match[0], match["resnet"] is not None, int(match["states"]), int(match["readout"])
    width = read_width(match, (RESNET_WIDTHS if resnet else FRNN_WIDTHS)[count])
    if match["adjacent"] and count == 2:
        raise UnknownNameError(f"Two states are always adjacent. Received: {name!r}; leave -adjacent out")
    imagenet = resnet and count == 4
    size = 56 if imagenet else 32
    graph: dict[str, Any] = {
        "states": tuple((size >> level, width << level) for level in range(count)),
        "edges": "adjacent" if match["adjacent"] else "full",
        "readout": readout,
        "schedule": _resnet(name, count, readout) if resnet else None,
        "prenet": "imagenet" if imagenet else 1 if count == 2 or resnet else 3,
    }
    updates = count_updates(**graph)
    arguments = {
        **graph,
        "combine": "sum" if resnet else "mean",
        "weights": "independent" if match["independent"] else "shared",
        "normalization": AFFINE[not match["no_affine"]],
    }
    words = f"hard: each transition has one set of kernels for all of {updates} updates"
    if match["independent"]:
        words = f"none: each transition has kernels of its own at each of {updates} updates"
    return Reading("recurzoo.families.frnn.network:FRNN", arguments, words)


def _resnet(name: str, states: int, readout: int) -> tuple[int, ...]:
    """How often each state is updated from itself; figure 4 A and B, with one update from each state to the next."""
    if states == 2:
        repeats: tuple[int, ...] = (readout - 3, 1)
    else:
        repeats = (readout // states - 1,) * states
    if repeats[0] < 1 or sum(repeats) + states != readout:
        times = "4, 5, 6, ..." if states == 2 else f"{2 * states}, {3 * states}, {4 * states}, ..."
        raise UnknownNameError(f"A ResNet of {states} states is read out at t = {times} Received: {name!r}")
    return repeats


def _write(model: str, arguments: Mapping[str, Any]) -> str | None:
    if model != "FRNN" or not 2 <= len(arguments["states"]) <= 4 or arguments.get("input_time", 1) != 1:
        return None
    resnet, count, width = arguments["schedule"] is not None, len(arguments["states"]), arguments["states"][0][1]
    name = f"{'multi-state-resnet' if resnet else 'frnn'}-{count}"
    name += "-adjacent" * (arguments["edges"] == "adjacent") + f"-t{arguments['readout']}"
    name += write_width(width, (RESNET_WIDTHS if resnet else FRNN_WIDTHS)[count])
    name += "-no-affine" * (arguments["normalization"] == "no_affine")
    name += "-independent" * (arguments["weights"] == "independent")
    # Most graphs have no name: it must say all there is to say.
    match = FRNN.pattern.fullmatch(name)
    try:
        named = _read(match).arguments if match else {}
    except ValueError:
        return None
    return name if named and _plain(named) == _plain({key: arguments[key] for key in named}) else None


def _plain(arguments: Mapping[str, Any]) -> Any:
    """As they come back from a file."""
    return json.loads(json.dumps(arguments))


FRNN = Family(
    name="frnn",
    form="frnn-STATES[-adjacent]-tTIME or multi-state-resnet-STATES-tTIME with [-wWIDTH][-no-affine][-independent]",
    pattern=re.compile(
        f"(frnn|(?P<resnet>multi-state-resnet))-(?P<states>[234])(?(resnet)|(?P<adjacent>-adjacent)?)"
        f"-t(?P<readout>{NUMBER}){WIDTH_SUFFIX}(?P<no_affine>-no-affine)?(?P<independent>-independent)?"
    ),
    read=_read,
    write=_write,
)
