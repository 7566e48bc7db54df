"""The grammar of names, against the classes it stands for."""

from __future__ import annotations

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


@pytest.mark.parametrize("depth", [9, 10, 13, 16, 22, 50])
def test_names_have_the_limits_of_their_classes(depth):
    import recurzoo.models as models

    for templates in (None, 0, 1, 3, 5):
        name = f"wrn-{depth}-1" if templates is None else f"swrn-{depth}-1-{templates}"
        family = models.BottleneckSWRN if depth == 50 else models.SWRN
        if depth == 50 and templates in (None, 1):
            continue  # Slow to build; a named case above.
        try:
            family(depth, 1, templates)
            exists = True
        except ValueError:
            exists = False
        if exists:
            architecture(name)
        else:
            with pytest.raises(UnknownNameError):
                architecture(name)


def test_every_catalogued_name_is_read_and_written_back():
    for name in architecture_names():
        read = architecture(name)
        assert name_of(read.model.split(":")[1], read.arguments) == name


def test_tags():
    assert split_tag("swrn-22-1-2") == ("swrn-22-1-2", None)
    assert split_tag("swrn-22-1-2.cifar10.cutout") == ("swrn-22-1-2", "cifar10.cutout")
