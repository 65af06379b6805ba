"""Commands as they are put together of options that several of them share."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest
from support import commandline

if TYPE_CHECKING:
    import click


@pytest.mark.parametrize("context", list(commandline.commands()), ids=lambda context: context.command_path)
def test_no_two_parameters_of_a_command_have_one_name(context: click.Context) -> None:
    names = Counter(parameter.name for parameter in context.command.params)
    assert [name for name, count in names.items() if count > 1] == []
