"""The grammar of names, against the classes it stands for."""

from __future__ import annotations

import itertools

import pytest

from recurzoo.base.errors import UnknownNameError
from recurzoo.catalog.catalog import architecture, architecture_names
from recurzoo.catalog.names import name_of, split_tag

SWRN, BOTTLENECK = "recurzoo.families.swrn.network:SWRN", "recurzoo.families.swrn.bottleneck:BottleneckSWRN"


@pytest.mark.parametrize(
    ("name", "model", "depth", "width", "templates"),
    [
        ("swrn-28-10-2", SWRN, 28, 10, 2),
        ("swrn-28-10", SWRN, 28, 10, "all"),
        ("wrn-28-10", SWRN, 28, 10, None),
        ("wrn-10-1", SWRN, 10, 1, None),
        ("swrn-40-8-10", SWRN, 40, 8, 10),
        ("swrn-50-2", BOTTLENECK, 50, 2, "all"),
        ("wrn-101-1", BOTTLENECK, 101, 1, None),
    ],
)
def test_a_name_says_class_and_arguments(name, model, depth, width, templates):
    read = architecture(name)
    assert (read.model, read.family) == (model, "swrn")
    assert read.arguments == {"depth": depth, "width": width, "num_templates": templates}
    assert name_of(model.split(":")[1], read.arguments) == name


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("swrn-27-1-2", "depth of 10, 16, 22"),
        ("swrn-10-1", "take 16 or more"),
        ("swrn-28-0-2", "width of at least 1"),
        ("rc-4-w0", "width of at least 1"),
        ("preresnet-38-w16", "leave -w16 out"),
        ("frnn-3-t5-w64", "leave -w64 out"),
        ("swrn-28-10-7", "1 to 6 templates"),
        ("swrn-28-10-0", "1 to 6 templates"),
        ("swrn-50-2-3", "1 to 2 templates"),
        ("scnn-0", "at least one 3x3 convolution"),
        ("frnn-3-adjacent-t2", "before t = 3"),
        ("resnet-14-raw-all", "at least two blocks"),
        ("swrm-28-10-2", "did you mean swrn-28-10-2"),
        ("wrn-28-10-2", "did you mean"),
        ("swrn-028-10", "did you mean"),
        ("vgg", "names are swrn-DEPTH-WIDTH"),
        ("", "names are swrn-DEPTH-WIDTH"),
    ],
)
def test_other_names_are_refused_with_advice(name, told):
    with pytest.raises(UnknownNameError, match=told) as error:
        architecture(name)
    assert repr(name) in str(error.value)


TINY = {"num_classes": 2, "include_top": False}
# Names with what their networks would be built from, of networks that exist and that do not.
NAMED = {
    **{
        f"{'wrn' if k is None else 'swrn'}-{depth}-{width}{'' if k is None else f'-{k}'}": ("SWRN", (depth, width, k))
        for depth, width, k in itertools.product((9, 10, 13, 16, 22), (0, 1), (None, 0, 1, 3, 5))
    },
    **{f"swrn-50-1-{k}": ("BottleneckSWRN", (50, 1, k)) for k in (0, 3)},
    **{f"rc-{steps}-w{width}": ("RC", (steps, width)) for steps, width in itertools.product((0, 1, 3), (0, 2))},
    **{
        f"preresnet-{depth}-w2-ubn-u{unshared}": ("PreActivationResNet", (depth, unshared, "independent", 2))
        for depth, unshared in itertools.product((2, 8, 14, 15, 20), (0, 1, 2, 3))
    },
    **{
        f"resnet-{depth}-{method}": ("RelaxedResNet", (blocks, *method.split("-")))
        for depth, blocks in {12: (1, 1, 1), 14: (2, 1, 1), 18: (2, 2, 2)}.items()
        for method in ("raw-all", "relaxed-all", "raw-middle")
    },
    **{f"scnn-{depth}": ("SCNN", (depth, "all")) for depth in (0, 1, 2)},
    **{
        f"frnn-3{'-adjacent' * (edges == 'adjacent')}-t{readout}-w2": (
            "FRNN",
            (((32, 2), (16, 4), (8, 8)), edges, readout),
        )
        for edges, readout in itertools.product(("full", "adjacent"), range(5))
    },
}


def test_names_and_classes_have_the_same_rules_and_say_the_same():
    import recurzoo.models as models
    from tests.support.counts import without_values

    def problem(make, *arguments, **kwargs):
        try:
            make(*arguments, **kwargs)
        except ValueError as error:
            return str(error)
        return None

    found = {}
    for name, (model, arguments) in NAMED.items():
        with without_values():
            found[name] = problem(getattr(models, model), *arguments, **TINY)
        expected = None if found[name] is None else f"{found[name]}, from the name {name!r}"
        assert problem(architecture, name) == expected
    refused = [name for name, sentence in found.items() if sentence is not None]
    assert 20 <= len(refused) <= len(NAMED) - 20


@pytest.mark.parametrize("name", ["swrn-28-10-" + "9" * 5000, "rc-" + "1" * 90, "x" * 10**6, "rc-4-w\n\x1b[31m16"])
def test_absurd_names_are_refused_in_one_short_sentence(name):
    with pytest.raises(UnknownNameError, match="Received: ") as error:
        architecture(name)
    assert len(str(error.value)) < 1000
    assert str(error.value).isprintable()


def test_every_catalogued_name_is_read_and_written_back():
    for name in architecture_names():
        read = architecture(name)
        assert name_of(read.model.split(":")[1], read.arguments) == name


def test_tags():
    assert split_tag("swrn-22-1-2") == ("swrn-22-1-2", None)
    assert split_tag("swrn-22-1-2.cifar10.cutout") == ("swrn-22-1-2", "cifar10.cutout")
