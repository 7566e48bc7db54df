"""What is not installed is named, with the way to install it."""

import math

import pytest

from recurzoo.base.optional import import_optional


def test_what_is_installed_is_imported():
    assert import_optional("math", "recurzoo[any]") is math


def test_what_is_not_installed_is_named():
    with pytest.raises(ImportError) as caught:
        import_optional("no_such_package.at_all", "recurzoo[benchmark]")
    assert caught.value.name == "no_such_package"
    assert 'pip install "recurzoo[benchmark]"' in str(caught.value)
